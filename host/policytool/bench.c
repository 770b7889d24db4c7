#include "tool.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS 10000

struct benching {
    bool done, failed, defined;
    struct lx_err err;
};

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct benching *b = arg;
    (void)results;
    b->done = true;
    b->defined = defined;
    b->failed = err != NULL;
    if (err)
        b->err = *err;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int one_call(struct lx_session *session, const json_t *args, uint64_t *ret_ns,
                    struct lx_err *err)
{
    struct benching b = {0};
    uint64_t began = lx_now_ns();
    struct lx_policy_call *call = lx_policy_call(session->policy, "job", args, on_result, &b);
    if (lx_loop_run_until(session->opts.loop, &b.done, WAIT_MS, err) < 0) {
        lx_policy_cancel(call);
        return -1;
    }
    *ret_ns = lx_now_ns() - began;
    if (!b.failed)
        return b.defined ? 0
                         : lx_fail(err, LX_E_REFUSED,
                                   "the policy has no function job, which is what bench calls");
    *err = b.err;
    return -1;
}

/* Resident memory of the child in KiB; 0 when it cannot be told. */
static size_t child_memory(const struct lx_session *session)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(256);
    lx_auto(str) char *path = lx_strf("/proc/%d/statm", (int)lx_policy_child_pid(session->policy));
    uint64_t pages = 0;
    if (lx_file_read(path, &text, NULL) < 0)
        return 0;
    lx_auto(strv) char **fields = lx_split(lx_buf_str(&text), ' ');
    if (!fields[0] || !fields[1] || lx_parse_u64(fields[1], &pages) < 0)
        return 0;
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void print_times(const char *what, uint64_t *times, size_t n)
{
    size_t late = n * 999 / 1000, middle = n / 2;
    qsort(times, n, sizeof *times, compare);
    printf("%s: %zu calls, median %.1f us, p99.9 %.1f us, longest %.1f us\n", what, n,
           (double)times[middle] / 1000.0, (double)times[late] / 1000.0,
           (double)times[n - 1] / 1000.0);
}

static int bench(struct lx_tool *tool, struct lx_session *session, uint64_t *times,
                 uint64_t *in_lua, struct lx_err *err)
{
    const char *name;
    json_t *task = NULL;
    lx_auto(job) struct lx_job *job = NULL;
    size_t n = (size_t)tool->calls, early = 0;
    if (lx_tool_sample(1, &name, &job, err) < 0 ||
        lx_preview_task(&session->opts, job, &task, err) < 0)
        return -1;
    lx_auto(json) json_t *args = json_pack("[o, O]", task, session->opts.policy_settings);
    lx_auto(str) char *title = lx_strf("job(), %s", name);
    for (size_t i = 0; i < n; i++) {
        if (one_call(session, args, &times[i], err) < 0)
            return -1;
        in_lua[i] = lx_policy_call_ns(session->policy);
        if (i == n / 100)
            early = child_memory(session);
    }
    print_times(title, times, n);
    print_times("of it in Lua", in_lua, n);
    printf("child: %zu KiB resident after %zu calls, %zu KiB at the end\n", early, n / 100 + 1,
           child_memory(session));
    return 0;
}

int lx_policy_bench_main(struct lx_tool *tool)
{
    struct lx_session session = {0};
    struct lx_err err;
    int status = LX_TOOL_FINE;
    uint64_t *times = lx_alloc_array((size_t)tool->calls, sizeof *times);
    uint64_t *in_lua = lx_alloc_array((size_t)tool->calls, sizeof *in_lua);
    if (lx_session_open(tool, tool->policy_dir, NULL, &session, &err) < 0 ||
        bench(tool, &session, times, in_lua, &err) < 0)
        status = lx_session_failed(&session, "", &err);
    lx_session_close(&session);
    free(times);
    free(in_lua);
    return status;
}
