/*
 * The client's metrics under the original's names (contract 10): on an error only errors_total
 * grows, and durations are observed of successes.
 */
#include "queue/priv.h"

#include "lunexec/clock.h"

static const char *const op_label[] = {"op", NULL};

static const struct lx_metric_def defs[] = {
    {.name = "src_apiworker_apiclient_queue_duration_seconds",
     .help = "Time spent performing queue API operations",
     .kind = LX_HISTOGRAM,
     .labels = op_label},
    {.name = "src_apiworker_apiclient_queue_total",
     .help = "Total number of successful queue API operations",
     .kind = LX_COUNTER,
     .labels = op_label},
    {.name = "src_apiworker_apiclient_queue_errors_total",
     .help = "Total number of failed queue API operations",
     .kind = LX_COUNTER,
     .labels = op_label},
    {.name = "src_apiworker_apiclient_files_duration_seconds",
     .help = "Time spent performing files API operations",
     .kind = LX_HISTOGRAM,
     .labels = op_label},
    {.name = "src_apiworker_apiclient_files_total",
     .help = "Total number of successful files API operations",
     .kind = LX_COUNTER,
     .labels = op_label},
    {.name = "src_apiworker_apiclient_files_errors_total",
     .help = "Total number of failed files API operations",
     .kind = LX_COUNTER,
     .labels = op_label},
    {.name = "src_httpcli_retry_total",
     .help = "Total number of repeated requests to the frontend",
     .kind = LX_COUNTER},
};

void lx_queue_add_metrics(struct lx_queue *queue)
{
    if (!queue->metrics)
        return;
    struct lx_metric **const handles[] = {
        &queue->queue_duration, &queue->queue_total,  &queue->queue_errors, &queue->files_duration,
        &queue->files_total,    &queue->files_errors, &queue->retries,
    };
    for (size_t i = 0; i < sizeof(defs) / sizeof(*defs); i++)
        *handles[i] = lx_metric_add(queue->metrics, &defs[i]);
}

static const char *op_name(enum lx_queue_op op)
{
    static const char *const names[] = {
        [LX_OP_DEQUEUE] = "Dequeue",
        [LX_OP_HEARTBEAT] = "Heartbeat",
        [LX_OP_ADD] = "AddExecutionLogEntry",
        [LX_OP_UPDATE] = "UpdateExecutionLogEntry",
        [LX_OP_MARK_COMPLETE] = "MarkComplete",
        [LX_OP_MARK_ERRORED] = "MarkErrored",
        [LX_OP_MARK_FAILED] = "MarkFailed",
        [LX_OP_FILE] = "Get",
    };
    return names[op];
}

void lx_queue_call_count(const struct lx_queue_call *call, bool ok)
{
    struct lx_queue *queue = call->queue;
    const char *const values[] = {op_name(call->op), NULL};
    if (!queue->metrics || !values[0])
        return;
    bool file = call->op == LX_OP_FILE;
    lx_metric_inc(file ? queue->files_total : queue->queue_total, ok ? 1 : 0, values);
    lx_metric_inc(file ? queue->files_errors : queue->queue_errors, ok ? 0 : 1, values);
    if (ok)
        lx_metric_observe(file ? queue->files_duration : queue->queue_duration,
                          (double)(lx_now_ms() - call->started_ms) / 1000.0, values);
}

void lx_queue_call_count_retry(const struct lx_queue_call *call)
{
    if (call->queue->metrics)
        lx_metric_inc(call->queue->retries, 1, NULL);
}
