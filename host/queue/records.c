/*
 * Calls about one job's record: log entries, marks, workspace files (contract 1.7 to 1.9).
 */
#include "queue/bodies.h"
#include "queue/priv.h"

#include "lunexec/text.h"
#include "lunexec/url.h"

#include <string.h>

static struct lx_queue_call *record_call(struct lx_queue *queue, enum lx_queue_op op,
                                         const struct lx_job *job, const char *endpoint,
                                         uint64_t deadline_ms, void *arg)
{
    lx_auto(str) char *path = lx_queue_call_queue_path(job->queue, endpoint);
    struct lx_queue_call *call = lx_queue_call_new(queue, op, path, job);
    lx_buf_init(&call->head, LX_QUEUE_BODY_MAX);
    lx_buf_init(&call->tail, 1024);
    call->repeat = LX_REPEAT_ALWAYS;
    call->deadline_ms = deadline_ms;
    call->arg = arg;
    return call;
}

static struct lx_queue_call *start_entry(struct lx_queue_call *call, const struct lx_job *job,
                                         int64_t entry_id, const struct lx_log_entry *entry)
{
    struct lx_err err;
    if (entry->out && entry->out->len > 0)
        call->out = *entry->out;
    call->idle_timeout_ms = call->queue->tuning.call_timeout_ms;
    int rc =
        lx_body_entry(&call->queue->opts, job->id, entry_id, entry, &call->head, &call->tail, &err);
    if (rc == 0 && call->probe && entry->maybe_added)
        lx_queue_call_swap_probe(call);
    return lx_queue_call_start(call, rc, &err);
}

static int accept_entry_id(struct lx_queue_call *call, const struct lx_http_result *result,
                           struct lx_err *err)
{
    lx_auto(json) json_t *answer = NULL;
    int rc = lx_answer_json(result, &answer, err);
    if (rc == 0 && (!json_is_integer(answer) || json_integer_value(answer) < 1))
        rc = lx_fail(err, LX_E_PEER, "the answer is not an entry id");
    if (rc < 0)
        return lx_wrap(err, "adding a log entry");
    call->entry_id = json_integer_value(answer);
    return 0;
}

static void finish_add(struct lx_queue_call *call, const struct lx_http_result *result,
                       const struct lx_err *err, bool lost)
{
    (void)result;
    struct lx_err bad;
    int64_t id = call->probing ? call->probe->id : call->entry_id;
    if (err && lost) {
        bad = *err;
        bad.code = LX_E_IO;
        err = &bad;
    }
    if (err)
        id = lost ? LX_ENTRY_UNKNOWN : 0;
    lx_queue_call_count(call, !err);
    call->cb.add(call->arg, id, err);
}

/* NULL when it cannot be made; then a lost answer stays lost. */
static struct lx_queue_probe *make_probe(const struct lx_queue *queue, const struct lx_job *job,
                                         const struct lx_log_entry *entry)
{
    lx_auto(str) char *path = lx_queue_call_queue_path(job->queue, "updateExecutionLogEntry");
    struct lx_queue_probe *probe = lx_alloc(sizeof(*probe));
    probe->id = entry->expect_id;
    probe->url = lx_queue_call_url(queue, path);
    lx_buf_init(&probe->head, LX_QUEUE_BODY_MAX);
    lx_buf_init(&probe->tail, 1024);
    if (lx_body_entry(&queue->opts, job->id, probe->id, entry, &probe->head, &probe->tail, NULL) ==
        0)
        return probe;
    lx_queue_probe_free(probe);
    return NULL;
}

struct lx_queue_call *
lx_queue_add_entry(struct lx_queue *queue, const struct lx_job *job,
                   const struct lx_log_entry *entry, uint64_t deadline_ms,
                   void (*cb)(void *arg, int64_t entry_id, const struct lx_err *err), void *arg)
{
    struct lx_queue_call *call =
        record_call(queue, LX_OP_ADD, job, "addExecutionLogEntry", deadline_ms, arg);
    call->repeat = LX_REPEAT_UNSENT;
    call->accept = accept_entry_id;
    call->finish = finish_add;
    call->cb.add = cb;
    if (entry->expect_id > 0)
        call->probe = make_probe(queue, job, entry);
    return start_entry(call, job, 0, entry);
}

static void finish_plain(struct lx_queue_call *call, const struct lx_http_result *result,
                         const struct lx_err *err, bool lost)
{
    (void)result;
    (void)lost;
    lx_queue_call_count(call, !err);
    if (call->cb.plain)
        call->cb.plain(call->arg, err);
}

struct lx_queue_call *lx_queue_update_entry(struct lx_queue *queue, const struct lx_job *job,
                                            int64_t entry_id, const struct lx_log_entry *entry,
                                            uint64_t deadline_ms,
                                            void (*cb)(void *arg, const struct lx_err *err),
                                            void *arg)
{
    struct lx_queue_call *call =
        record_call(queue, LX_OP_UPDATE, job, "updateExecutionLogEntry", deadline_ms, arg);
    call->finish = finish_plain;
    call->cb.plain = cb;
    return start_entry(call, job, entry_id, entry);
}

const char *lx_mark_name(enum lx_mark mark)
{
    static const char *const names[] = {
        [LX_MARK_COMPLETE] = "complete",
        [LX_MARK_ERRORED] = "errored",
        [LX_MARK_FAILED] = "failed",
    };
    return names[mark];
}

struct lx_queue_call *lx_queue_mark(struct lx_queue *queue, const struct lx_job *job,
                                    enum lx_mark mark, const char *message, uint64_t deadline_ms,
                                    void (*cb)(void *arg, const struct lx_err *err), void *arg)
{
    static const struct {
        enum lx_queue_op op;
        const char *endpoint;
    } calls[] = {
        [LX_MARK_COMPLETE] = {LX_OP_MARK_COMPLETE, "markComplete"},
        [LX_MARK_ERRORED] = {LX_OP_MARK_ERRORED, "markErrored"},
        [LX_MARK_FAILED] = {LX_OP_MARK_FAILED, "markFailed"},
    };
    struct lx_err err;
    struct lx_queue_call *call =
        record_call(queue, calls[mark].op, job, calls[mark].endpoint, deadline_ms, arg);
    call->finish = finish_plain;
    call->cb.plain = cb;
    int rc = lx_body_mark(&queue->opts, job->id, mark, message, &call->head, &err);
    return lx_queue_call_start(call, rc, &err);
}

/* "files/<bucket>/<key>", each segment escaped; one that would lead elsewhere is refused. */
static int file_path(const char *bucket, const char *key, struct lx_buf *out, struct lx_err *err)
{
    lx_auto(str) char *joined = lx_strf("%s/%s", bucket, key);
    char **segments = lx_split(joined, '/');
    int rc = lx_buf_adds(out, "files", err);
    for (char **segment = segments; rc == 0 && *segment; segment++) {
        if (!**segment || lx_streq(*segment, ".") || lx_streq(*segment, ".."))
            rc = lx_fail(err, LX_E_INVALID, "workspace file: bucket or key is not a plain path");
        else if (lx_buf_addc(out, '/', err) < 0)
            rc = -1;
        else
            rc = lx_url_escape(out, *segment, strlen(*segment), err);
    }
    lx_strv_free(segments);
    return rc;
}

static void finish_file(struct lx_queue_call *call, const struct lx_http_result *result,
                        const struct lx_err *err, bool lost)
{
    (void)lost;
    struct lx_err bad;
    if (!err && result->status != 200) {
        (void)lx_fail(&bad, LX_E_PEER, "fetching a workspace file: no content");
        err = &bad;
    }
    lx_queue_call_count(call, !err);
    call->cb.file(call->arg, err ? NULL : result->body, err ? 0 : result->body_len, err);
}

struct lx_queue_call *
lx_queue_file(struct lx_queue *queue, const struct lx_job *job, const char *bucket, const char *key,
              size_t max, uint64_t deadline_ms,
              void (*cb)(void *arg, const char *data, size_t len, const struct lx_err *err),
              void *arg)
{
    struct lx_err err;
    lx_auto(buf) struct lx_buf path = LX_BUF_INIT(64 * 1024);
    int rc = file_path(bucket, key, &path, &err);
    struct lx_queue_call *call =
        lx_queue_call_new(queue, LX_OP_FILE, rc < 0 ? "files" : lx_buf_str(&path), job);
    call->repeat = LX_REPEAT_ALWAYS;
    call->deadline_ms = deadline_ms;
    call->max_answer = max > 0 ? max : 1;
    call->timeout_ms = 0;
    call->idle_timeout_ms = queue->tuning.call_timeout_ms;
    call->finish = finish_file;
    call->cb.file = cb;
    call->arg = arg;
    return lx_queue_call_start(call, rc, &err);
}
