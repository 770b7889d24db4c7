/*
 * Calls as the executor: ping, dequeue, heartbeat (contract 1.5, 1.6).
 */
#include "queue/bodies.h"
#include "queue/fields.h"
#include "queue/priv.h"

#include "lunexec/text.h"

#include <string.h>

/* A payload carries scripts and small files; beyond this something is wrong. */
#define PAYLOAD_MAX ((size_t)128 * 1024 * 1024)
#define METRICS_MAX (4u * 1024 * 1024)

static struct lx_queue_call *executor_call(struct lx_queue *queue, enum lx_queue_op op,
                                           const char *endpoint)
{
    lx_auto(str) char *path =
        lx_queue_call_queue_path(queue->opts.multi ? NULL : queue->opts.queues[0], endpoint);
    struct lx_queue_call *call = lx_queue_call_new(queue, op, path, NULL);
    lx_buf_init(&call->head, LX_QUEUE_BODY_MAX);
    return call;
}

static void finish_ping(struct lx_queue_call *call, const struct lx_http_result *result,
                        const struct lx_err *err, bool lost)
{
    (void)result;
    (void)lost;
    call->cb.plain(call->arg, err);
}

struct lx_queue_call *lx_queue_ping(struct lx_queue *queue,
                                    void (*cb)(void *arg, const struct lx_err *err), void *arg)
{
    struct lx_err err;
    struct lx_queue_call *call = executor_call(queue, LX_OP_PING, "heartbeat");
    call->timeout_ms = queue->tuning.beat_timeout_ms;
    call->repeat = LX_REPEAT_NEVER;
    call->finish = finish_ping;
    call->cb.plain = cb;
    call->arg = arg;
    return lx_queue_call_start(call, lx_body_ping(&queue->opts, &call->head, &err), &err);
}

/* Tells the server why a payload was refused, if the payload says whose record it is. */
static void fail_record(struct lx_queue *queue, const json_t *payload, const char *reason)
{
    lx_auto(secret) char *token = NULL;
    lx_auto(str) char *name = NULL;
    struct lx_job job = {0};
    if (!json_is_object(payload) || lx_field_int(payload, "id", &job.id, NULL) < 0 || job.id < 1 ||
        lx_field_str(payload, "token", &token, NULL) < 0 ||
        lx_field_str(payload, "queue", &name, NULL) < 0)
        return;
    if (!*name && queue->opts.multi)
        return;
    const char *single = queue->opts.queues[0];
    lx_auto(str) char *record_queue = lx_strdup(*name ? name : single);
    job.token = token;
    job.queue = record_queue;
    (void)lx_queue_mark(queue, &job, LX_MARK_FAILED, reason, 0, NULL, NULL);
}

static int read_job(struct lx_queue *queue, const struct lx_http_result *result,
                    struct lx_job **ret_job, struct lx_err *err)
{
    lx_auto(json) json_t *payload = NULL;
    if (lx_answer_json(result, &payload, err) < 0)
        return lx_wrap(err, "dequeue");
    const char *single = queue->opts.multi ? NULL : queue->opts.queues[0];
    if (lx_job_parse(payload, single, ret_job, err) == 0)
        return 0;
    fail_record(queue, payload, err->text);
    return lx_wrap(err, "dequeue");
}

static void finish_dequeue(struct lx_queue_call *call, const struct lx_http_result *result,
                           const struct lx_err *err, bool lost)
{
    (void)lost;
    struct lx_err bad;
    struct lx_job *job = NULL;
    if (!err && result->status == 200 && read_job(call->queue, result, &job, &bad) < 0)
        err = &bad;
    lx_queue_call_count(call, !err);
    call->cb.dequeue(call->arg, job, err);
}

struct lx_queue_call *
lx_queue_dequeue(struct lx_queue *queue,
                 void (*cb)(void *arg, struct lx_job *job, const struct lx_err *err), void *arg)
{
    struct lx_err err;
    struct lx_queue_call *call = executor_call(queue, LX_OP_DEQUEUE, "dequeue");
    call->repeat = LX_REPEAT_UNSENT;
    call->max_answer = PAYLOAD_MAX;
    call->finish = finish_dequeue;
    call->cb.dequeue = cb;
    call->arg = arg;
    return lx_queue_call_start(call, lx_body_dequeue(&queue->opts, &call->head, &err), &err);
}

static int read_heartbeat(const struct lx_queue_call *call, const struct lx_http_result *result,
                          char ***ret_known, char ***ret_cancel, struct lx_err *err)
{
    lx_auto(json) json_t *answer = NULL;
    if (lx_answer_json(result, &answer, err) < 0)
        return -1;
    if (!json_is_object(answer))
        return lx_fail(err, LX_E_PEER, "the answer is not an object");
    /* null is how the frontend says "none"; without the member it is not the frontend's answer, and
     * no job is lost by it. */
    if (call->uids[0] && !lx_json_get_nocase(answer, "knownIds"))
        return lx_fail(err, LX_E_PEER, "the answer has no knownIds");
    if (lx_answer_ids(answer, "knownIds", call->uids, ret_known, err) < 0)
        return -1;
    return lx_answer_ids(answer, "cancelIds", call->uids, ret_cancel, err);
}

static void finish_heartbeat(struct lx_queue_call *call, const struct lx_http_result *result,
                             const struct lx_err *err, bool lost)
{
    (void)lost;
    struct lx_err bad;
    char **known = NULL, **cancel = NULL;
    if (!err && read_heartbeat(call, result, &known, &cancel, &bad) < 0) {
        (void)lx_wrap(&bad, "heartbeat");
        err = &bad;
    }
    lx_queue_call_count(call, !err);
    call->cb.heartbeat(call->arg, err ? NULL : known, err ? NULL : cancel, err);
    lx_strv_free(known);
    lx_strv_free(cancel);
}

/* Gathering metrics must not keep a heartbeat from being sent: "" instead (contract 10). */
static void gather(struct lx_queue *queue, struct lx_buf *out)
{
    struct lx_err err;
    if (!queue->metrics || lx_metrics_expose(queue->metrics, out, &err) == 0)
        return;
    lx_log(queue->log, LX_LOG_WARN, "metrics were left out of a heartbeat", LX_ERR(&err));
    lx_buf_reset(out);
}

struct lx_queue_call *lx_queue_heartbeat(struct lx_queue *queue, const char *const *uids,
                                         void (*cb)(void *arg, char *const *known,
                                                    char *const *cancel, const struct lx_err *err),
                                         void *arg)
{
    struct lx_err err;
    size_t n = 0;
    while (uids && uids[n])
        n++;
    struct lx_queue_call *call = executor_call(queue, LX_OP_HEARTBEAT, "heartbeat");
    call->uids = lx_alloc_array(n + 1, sizeof(*call->uids));
    for (size_t i = 0; i < n; i++)
        call->uids[i] = lx_strdup(uids[i]);
    call->timeout_ms = queue->tuning.beat_timeout_ms;
    call->repeat = LX_REPEAT_NEVER;
    call->finish = finish_heartbeat;
    call->cb.heartbeat = cb;
    call->arg = arg;

    lx_auto(buf) struct lx_buf metrics = LX_BUF_INIT(METRICS_MAX);
    gather(queue, &metrics);
    int rc = lx_body_heartbeat(&queue->opts, uids, lx_buf_str(&metrics), &call->head, &err);
    return lx_queue_call_start(call, rc, &err);
}
