#include "queue/bodies.h"

#include "queue/writer.h"

#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

int lx_body_dequeue(const struct lx_queue_opts *opts, struct lx_buf *out, struct lx_err *err)
{
    struct lx_writer w;
    lx_writer_init(&w, out);
    lx_write_open(&w, NULL, '{');
    if (opts->multi && opts->queues && *opts->queues)
        lx_write_strv(&w, "queues", opts->queues);
    lx_write_str(&w, "executorName", opts->executor_name);
    lx_write_str(&w, "version", opts->version);
    if (opts->num_cpus)
        lx_write_int(&w, "numCPUs", opts->num_cpus);
    if (opts->memory && *opts->memory)
        lx_write_str(&w, "memory", opts->memory);
    if (opts->disk_space && *opts->disk_space)
        lx_write_str(&w, "diskSpace", opts->disk_space);
    lx_write_close(&w, '}');
    return lx_writer_end(&w, err);
}

/* Go's name of the machine's architecture. */
static const char *go_arch(const char *machine)
{
    static const struct {
        const char *machine, *arch;
    } names[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"}, {"i686", "386"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (lx_streq(machine, names[i].machine))
            return names[i].arch;
    }
    return machine;
}

/* The last seven members, the same in every heartbeat. */
static void write_host(struct lx_writer *w, const char *os, const char *arch, const char *version,
                       const char *git_version, const char *metrics)
{
    lx_write_str(w, "os", os);
    lx_write_str(w, "architecture", arch);
    lx_write_str(w, "dockerVersion", "");
    lx_write_str(w, "executorVersion", version);
    lx_write_str(w, "gitVersion", git_version);
    lx_write_str(w, "igniteVersion", "");
    lx_write_str(w, "srcCliVersion", "");
    lx_write_str(w, "prometheusMetrics", metrics);
}

int lx_body_ping(const struct lx_queue_opts *opts, struct lx_buf *out, struct lx_err *err)
{
    struct lx_writer w;
    lx_writer_init(&w, out);
    lx_write_open(&w, NULL, '{');
    lx_write_str(&w, "version", "");
    lx_write_str(&w, "executorName", opts->executor_name);
    if (opts->multi && opts->queues && *opts->queues)
        lx_write_strv(&w, "queueNames", opts->queues);
    write_host(&w, "", "", "", "", "");
    lx_write_close(&w, '}');
    return lx_writer_end(&w, err);
}

/* A running id, "<id>" or "<id>-<queue>", split at the first "-" (contract 1.6). */
struct run_id {
    char *id;
    int64_t number;
    const char *queue; /* "" without one */
};

static int by_queue_and_id(const void *left, const void *right)
{
    const struct run_id *a = left, *b = right;
    int order = strcmp(a->queue, b->queue);
    return order ? order : strcmp(a->id, b->id);
}

static int by_id(const void *left, const void *right)
{
    const struct run_id *a = left, *b = right;
    return strcmp(a->id, b->id);
}

/* One uid that is not a number would keep the whole heartbeat from being accepted (contract 11.3),
 * so such a one is left out. Returns how many there are. */
static size_t split_ids(const char *const *uids, bool multi, struct run_id **ret_ids)
{
    size_t n = 0, count = 0;
    while (uids && uids[n])
        n++;
    struct run_id *ids = lx_alloc_array(n + 1, sizeof(*ids));
    for (size_t i = 0; i < n; i++) {
        struct run_id *id = &ids[count];
        id->id = lx_strdup(uids[i]);
        char *dash = strchr(id->id, '-');
        if (dash)
            *dash = '\0';
        id->queue = dash ? dash + 1 : "";
        if (lx_parse_i64(id->id, &id->number) < 0 || (multi && !*id->queue))
            free(lx_take(id->id));
        else
            count++;
    }
    qsort(ids, count, sizeof(*ids), multi ? by_queue_and_id : by_id);
    *ret_ids = ids;
    return count;
}

static void free_ids(struct run_id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(ids[i].id);
    free(ids);
}

static void write_ids_v1(struct lx_writer *w, const struct run_id *ids, size_t n)
{
    if (n == 0) {
        lx_write_null(w, "jobIds");
        return;
    }
    lx_write_open(w, "jobIds", '[');
    for (size_t i = 0; i < n; i++)
        lx_write_int(w, NULL, ids[i].number);
    lx_write_close(w, ']');
}

static void write_ids_by_queue(struct lx_writer *w, const struct run_id *ids, size_t n)
{
    if (n == 0)
        return;
    lx_write_open(w, "jobIdsByQueue", '[');
    for (size_t i = 0; i < n;) {
        const char *queue = ids[i].queue;
        lx_write_open(w, NULL, '{');
        lx_write_str(w, "queueName", queue);
        lx_write_open(w, "jobIds", '[');
        for (; i < n && lx_streq(ids[i].queue, queue); i++)
            lx_write_str(w, NULL, ids[i].id);
        lx_write_close(w, ']');
        lx_write_close(w, '}');
    }
    lx_write_close(w, ']');
}

int lx_body_heartbeat(const struct lx_queue_opts *opts, const char *const *uids,
                      const char *metrics, struct lx_buf *out, struct lx_err *err)
{
    struct run_id *ids;
    size_t n = split_ids(uids, opts->multi, &ids);
    struct utsname host;
    if (uname(&host) < 0)
        host.machine[0] = '\0';

    struct lx_writer w;
    lx_writer_init(&w, out);
    lx_write_open(&w, NULL, '{');
    lx_write_str(&w, "version", opts->multi ? "" : "V2");
    lx_write_str(&w, "executorName", opts->executor_name);
    if (opts->multi) {
        write_ids_by_queue(&w, ids, n);
        if (opts->queues && *opts->queues)
            lx_write_strv(&w, "queueNames", opts->queues);
    } else {
        write_ids_v1(&w, ids, n);
    }
    write_host(&w, "linux", go_arch(host.machine), opts->version, opts->git_version, metrics);
    lx_write_close(&w, '}');
    free_ids(ids, n);
    return lx_writer_end(&w, err);
}

int lx_body_entry(const struct lx_queue_opts *opts, int64_t job_id, int64_t entry_id,
                  const struct lx_log_entry *entry, struct lx_buf *head, struct lx_buf *tail,
                  struct lx_err *err)
{
    char start[LX_RFC3339_SIZE];
    lx_rfc3339(entry->start, start);

    struct lx_writer w;
    lx_writer_init(&w, head);
    lx_write_open(&w, NULL, '{');
    lx_write_str(&w, "executorName", opts->executor_name);
    lx_write_int(&w, "jobId", job_id);
    if (entry_id)
        lx_write_int(&w, "entryId", entry_id);
    lx_write_str(&w, "key", entry->key);
    if (entry->command)
        lx_write_strv(&w, "command", entry->command);
    else
        lx_write_null(&w, "command");
    lx_write_str(&w, "startTime", start);
    if (entry->finished)
        lx_write_int(&w, "exitCode", entry->exit_code);
    if (entry->out && entry->out->len > 0) {
        lx_write_str_start(&w, "out");
        w.out = tail;
        lx_write_str_end(&w);
    }
    if (entry->finished)
        lx_write_int(&w, "durationMs", entry->duration_ms);
    lx_write_close(&w, '}');
    return lx_writer_end(&w, err);
}

int lx_body_mark(const struct lx_queue_opts *opts, int64_t job_id, enum lx_mark mark,
                 const char *message, struct lx_buf *out, struct lx_err *err)
{
    struct lx_writer w;
    lx_writer_init(&w, out);
    lx_write_open(&w, NULL, '{');
    lx_write_str(&w, "executorName", opts->executor_name);
    lx_write_int(&w, "jobId", job_id);
    if (mark != LX_MARK_COMPLETE) {
        lx_auto(str) char *cut = lx_strndup(message ? message : "",
                                            strnlen(message ? message : "", LX_QUEUE_MESSAGE_MAX));
        lx_write_str(&w, "errorMessage", cut);
    }
    lx_write_close(&w, '}');
    return lx_writer_end(&w, err);
}
