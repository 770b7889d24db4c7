/*
 * Follows the records of the stand-ins and tells a person what happens.
 */
#include "try.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD_LINE_MAX ((size_t)256 << 20)

/* A log entry of the job, as far as it was shown. */
struct entry {
    struct lx_list link;
    char *key;   /* as in the log entry */
    char *label; /* the short form that people see */
    size_t shown;
    bool quiet; /* setup and helper parts: shown when they fail */
    bool ended;
};

const char *lx_try_colour(const struct lx_try *t, char which)
{
    if (!t->colour)
        return "";
    switch (which) {
    case 'r':
        return "\033[31m";
    case 'g':
        return "\033[32m";
    case 'd':
        return "\033[2m";
    case 'b':
        return "\033[1m";
    default:
        return "\033[0m";
    }
}

void lx_try_say(struct lx_try *t, const char *fmt, ...)
{
    uint64_t ms = lx_now_ms() - t->started_ms;
    va_list args;
    printf("%s%5llu.%llu s%s  ", lx_try_colour(t, 'd'), (unsigned long long)(ms / 1000),
           (unsigned long long)(ms % 1000 / 100), lx_try_colour(t, '0'));
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    (void)fflush(stdout);
}

/* ---- log entries ---- */

static struct entry *entry_of(struct lx_try *t, const char *key)
{
    lx_list_each (it, &t->entries) {
        struct entry *entry = lx_container_of(it, struct entry, link);
        if (lx_streq(entry->key, key))
            return entry;
    }
    struct entry *entry = lx_alloc(sizeof *entry);
    static const char prefix[] = "step.kubernetes.";
    bool step = lx_starts_with(key, prefix);
    entry->key = lx_strdup(key);
    entry->label = lx_strdup(step ? key + sizeof prefix - 1 : key);
    entry->quiet = !step || lx_ends_with(key, ".pre") || lx_ends_with(key, ".post");
    lx_list_init(&entry->link);
    lx_list_push(&t->entries, &entry->link);
    return entry;
}

/* Control characters of a step must not reach the terminal, but its colours may not either. */
static void print_line(const struct lx_try *t, const struct entry *entry, const char *line,
                       size_t len)
{
    printf("         %s%s |%s ", lx_try_colour(t, 'd'), entry->label, lx_try_colour(t, '0'));
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)line[i];
        putchar(ch == '\t' || ch >= 32 ? ch : (ch == '\r' ? ' ' : '?'));
    }
    putchar('\n');
}

/* Shows the complete lines that are new; `text` is all the output so far. */
static void show_output(struct lx_try *t, struct entry *entry, const char *text, size_t len)
{
    static const char prefix[] = "stdout: ";
    while (entry->shown < len) {
        const char *line = text + entry->shown;
        const char *end = memchr(line, '\n', len - entry->shown);
        if (!end)
            return;
        entry->shown = (size_t)(end - text) + 1;
        size_t n = (size_t)(end - line);
        size_t skip = lx_starts_with(line, prefix) ? sizeof prefix - 1 : 0;
        bool event = n > skip && line[skip] == '{' && lx_ends_with(entry->key, ".post");
        if (!event || t->verbose)
            print_line(t, entry, line + skip, n - skip);
    }
    (void)fflush(stdout);
}

static void on_entry(struct lx_try *t, const json_t *body)
{
    struct entry *entry = entry_of(t, lx_json_str(body, "key", "?"));
    const json_t *out = json_object_get(body, "out");
    const json_t *code = json_object_get(body, "exitCode");
    bool failed = json_is_integer(code) && json_integer_value(code) != 0;
    if (out && (!entry->quiet || failed || t->verbose))
        show_output(t, entry, json_string_value(out), json_string_length(out));
    if (!json_is_integer(code) || entry->ended)
        return;
    entry->ended = true;
    int64_t ms = lx_json_int(body, "durationMs", 0);
    if (failed)
        lx_try_say(t, "%s%s: exit code %lld%s after %lld.%lld s", lx_try_colour(t, 'r'),
                   entry->label, (long long)json_integer_value(code), lx_try_colour(t, '0'),
                   (long long)(ms / 1000), (long long)(ms % 1000 / 100));
    else if (!lx_starts_with(entry->key, "teardown.") && !lx_streq(entry->key, "main"))
        lx_try_say(t, "%s%s done%s in %lld.%lld s", lx_try_colour(t, 'g'), entry->label,
                   lx_try_colour(t, '0'), (long long)(ms / 1000), (long long)(ms % 1000 / 100));
}

/* ---- what the stand-ins recorded ---- */

static void on_event(struct lx_try *t, const char *event, json_t *line)
{
    if (lx_streq(event, "dequeued")) {
        lx_try_say(t, "job %lld taken", (long long)lx_json_int(line, "id", 0));
    } else if (lx_streq(event, "violation")) {
        json_array_append(t->violations, json_object_get(line, "text"));
    } else if (lx_streq(event, "marked") && !t->marked) {
        t->marked = json_incref(line);
        lx_try_say(t, "job marked %s", lx_json_str(line, "mark", ""));
    }
}

static void on_frontend_call(struct lx_try *t, const char *path, const json_t *body)
{
    if (lx_ends_with(path, "/addExecutionLogEntry")) {
        const struct entry *entry = entry_of(t, lx_json_str(body, "key", "?"));
        if (!entry->quiet)
            lx_try_say(t, "%s%s%s", lx_try_colour(t, 'b'), entry->label, lx_try_colour(t, '0'));
    }
    if (lx_ends_with(path, "ExecutionLogEntry"))
        on_entry(t, body);
}

static void on_cluster_call(struct lx_try *t, const json_t *line, const char *path)
{
    const char *method = lx_json_str(line, "method", "");
    const char *name = strrchr(path, '/');
    if (lx_streq(method, "POST") && lx_ends_with(path, "/jobs"))
        lx_try_say(t, "Kubernetes Job %s created",
                   lx_json_str(lx_json_obj(lx_json_obj(line, "body"), "metadata"), "name", "?"));
    else if (lx_streq(method, "DELETE") && strstr(path, "/jobs/"))
        lx_try_say(t, "Kubernetes Job %s deleted", name ? name + 1 : "?");
}

static void on_line(struct lx_try *t, json_t *line)
{
    const char *event = lx_json_str(line, "event", NULL);
    const char *path = lx_json_str(line, "path", "");
    if (event)
        on_event(t, event, line);
    else if (lx_json_int(line, "status", 0) >= 300)
        return;
    else if (lx_starts_with(path, "/.executors/"))
        on_frontend_call(t, path, lx_json_obj(line, "body"));
    else
        on_cluster_call(t, line, path);
}

/* ---- reading ---- */

/* Keeps the lines of both records in the order of their times. */
static int on_record(void *arg, const char *text, size_t len)
{
    struct lx_try *t = arg;
    json_t *line = NULL;
    if (lx_json_parse(text, len, &line, NULL))
        return 0;
    size_t at = json_array_size(t->pending);
    int64_t when = lx_json_int(line, "t_ms", 0);
    while (at > 0 && lx_json_int(json_array_get(t->pending, at - 1), "t_ms", 0) > when)
        at--;
    json_array_insert_new(t->pending, at, line);
    return 0;
}

static void drain(int fd, struct lx_lines *lines)
{
    char chunk[65536];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        (void)lx_lines_feed(lines, chunk, (size_t)n, NULL);
}

static int open_record(struct lx_try *t, const char *name, int *ret_fd, struct lx_err *err)
{
    lx_auto(str) char *path = lx_path_join(t->dir, name);
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? lx_fail_errno(err, errno, "cannot read %s", path) : 0;
}

int lx_try_follow_start(struct lx_try *t, struct lx_err *err)
{
    lx_lines_init(&t->record_lines, RECORD_LINE_MAX, on_record, t);
    lx_lines_init(&t->cluster_lines, RECORD_LINE_MAX, on_record, t);
    return open_record(t, "frontend.jsonl", &t->record_fd, err) ||
                   open_record(t, "cluster.jsonl", &t->cluster_fd, err)
               ? -1
               : 0;
}

void lx_try_follow(struct lx_try *t)
{
    if (t->record_fd < 0 || t->cluster_fd < 0)
        return;
    drain(t->record_fd, &t->record_lines);
    drain(t->cluster_fd, &t->cluster_lines);
    size_t i;
    json_t *line;
    json_array_foreach (t->pending, i, line)
        on_line(t, line);
    json_array_clear(t->pending);
}

void lx_try_follow_done(struct lx_try *t)
{
    if (t->record_fd >= 0)
        close(t->record_fd);
    if (t->cluster_fd >= 0)
        close(t->cluster_fd);
    lx_lines_done(&t->record_lines);
    lx_lines_done(&t->cluster_lines);
    lx_list_each (it, &t->entries) {
        struct entry *entry = lx_container_of(it, struct entry, link);
        lx_list_remove(&entry->link);
        free(entry->key);
        free(entry->label);
        free(entry);
    }
}
