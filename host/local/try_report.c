#include "try.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <stdio.h>
#include <string.h>

#define TAIL_LINES 12

static void print_diff(const struct lx_try *t, const char *diff, size_t len)
{
    while (len) {
        const char *end = memchr(diff, '\n', len);
        size_t n = end ? (size_t)(end - diff) + 1 : len;
        char kind = *diff == '+' ? 'g' : *diff == '-' ? 'r' : *diff == '@' ? 'd' : '0';
        printf("%s%.*s%s", lx_try_colour(t, kind), (int)n, diff, lx_try_colour(t, '0'));
        diff += n;
        len -= n;
    }
}

static void show_diff(struct lx_try *t)
{
    const char *coded = lx_json_str(t->marked, "diff", "");
    struct lx_buf diff __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)64 << 20);
    if (lx_base64_decode(&diff, coded, strlen(coded), NULL) || diff.len == 0) {
        printf("\nThe steps changed nothing.\n");
        return;
    }
    printf("\n%sThe resulting diff:%s\n\n", lx_try_colour(t, 'b'), lx_try_colour(t, '0'));
    print_diff(t, lx_buf_str(&diff), diff.len);
}

static void show_tail(const char *title, const char *text)
{
    size_t lines = 0;
    const char *from = text + strlen(text);
    while (from > text && lines <= TAIL_LINES) {
        from--;
        lines += *from == '\n';
    }
    if (*from == '\n')
        from++;
    if (*from)
        fprintf(stderr, "%s\n%s", title, from);
}

static const char *plain_reason(const struct lx_try *t)
{
    const char *message = lx_json_str(t->marked, "message", "");
    return *message ? message : "the job failed without a message";
}

static int fail(struct lx_try *t, const char *reason)
{
    fprintf(stderr, "\n%slunexec: try failed:%s %s\n", lx_try_colour(t, 'r'), lx_try_colour(t, '0'),
            reason);
    return 1;
}

static int executor_ended_early(struct lx_try *t)
{
    lx_auto(str) char *reason =
        t->executor.signum ? lx_strf("the executor was killed by signal %d before the job ended",
                                     t->executor.signum)
                           : lx_strf("the executor ended with status %lld before the job ended",
                                     (long long)t->executor.status);
    show_tail("The executor's last words:", lx_buf_str(&t->executor.said));
    return fail(t, reason);
}

int lx_try_report(struct lx_try *t)
{
    uint64_t ms = lx_now_ms() - t->started_ms;
    size_t i;
    const json_t *text;
    if (t->interrupted)
        return fail(t, "interrupted");
    if (!t->marked && t->executor.ended)
        return executor_ended_early(t);
    if (!t->marked)
        return fail(t, "a stand-in ended before the job did");
    json_array_foreach (t->violations, i, text)
        fprintf(stderr, "lunexec: the executor broke the contract: %s\n", json_string_value(text));
    if (!lx_streq(lx_json_str(t->marked, "state", ""), "completed"))
        return fail(t, plain_reason(t));
    show_diff(t);
    if (json_array_size(t->violations))
        return fail(t, "the job completed, but the executor broke the contract (see above)");
    if (t->executor.ended && (t->executor.status != 0 || t->executor.signum))
        return executor_ended_early(t);
    printf("\n%scompleted in %llu.%llu s%s\n", lx_try_colour(t, 'g'),
           (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000 / 100),
           lx_try_colour(t, '0'));
    return 0;
}
