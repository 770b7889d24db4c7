#include "job/metrics.h"

#include "lunexec/mem.h"

struct lx_job_metrics {
    const char *queue;
    struct lx_metric *duration, *total, *errors, *handlers;
    struct lx_metric *policy_calls, *policy_duration, *shadow;
    struct lx_metric *command_duration, *command_total, *command_errors;
    struct lx_metric *failures, *retries;
    struct lx_metric *log_gaps, *waiting, *leftovers;
};

static const char *const queue_op[] = {"queue", "op", NULL};
static const char *const queue_only[] = {"queue", NULL};
static const char *const op_only[] = {"op", NULL};
static const char *const kind_only[] = {"kind", NULL};
static const char *const class_only[] = {"class", NULL};
static const double job_buckets[] = {30, 60, 150, 300, 450, 600, 900, 1200, 1800, 2700, 3600, 0};

static void add_policy_metrics(struct lx_job_metrics *m, struct lx_metrics *metrics)
{
    static const char *const function_only[] = {"function", NULL};
    static const char *const function_result[] = {"function", "result", NULL};
    static const char *const result_only[] = {"result", NULL};
    static const double buckets[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01,
                                     0.05,   0.1,     0.25,   0.5,   1,      0};
    static const struct lx_metric_def defs[] = {
        {"lunexec_policy_calls_total", "Answers of the policy's functions.", LX_COUNTER,
         function_result, NULL},
        {"lunexec_policy_call_duration_seconds", "Time until the policy answered.", LX_HISTOGRAM,
         function_only, buckets},
        {"lunexec_policy_shadow_total", "Decisions that the shadow policy was asked about.",
         LX_COUNTER, result_only, NULL},
    };
    m->policy_calls = lx_metric_add(metrics, &defs[0]);
    m->policy_duration = lx_metric_add(metrics, &defs[1]);
    m->shadow = lx_metric_add(metrics, &defs[2]);
}

struct lx_job_metrics *lx_job_metrics_new(struct lx_metrics *metrics, const char *queue)
{
    static const struct lx_metric_def defs[] = {
        {"src_executor_processor_duration_seconds", "Time a job took.", LX_HISTOGRAM, queue_op,
         job_buckets},
        {"src_executor_processor_total", "Jobs that ended well.", LX_COUNTER, queue_op, NULL},
        {"src_executor_processor_errors_total", "Jobs that failed.", LX_COUNTER, queue_op, NULL},
        {"src_executor_processor_handlers", "Jobs underway.", LX_GAUGE, queue_only, NULL},
        {"src_apiworker_command_duration_seconds", "Time an operation took.", LX_HISTOGRAM, op_only,
         NULL},
        {"src_apiworker_command_total", "Operations that ended well.", LX_COUNTER, op_only, NULL},
        {"src_apiworker_command_errors_total", "Operations that failed.", LX_COUNTER, op_only,
         NULL},
        {"lunexec_job_failures_total", "Jobs that failed, by class (docs/failures.md).", LX_COUNTER,
         class_only, NULL},
        {"lunexec_job_retries_total", "Attempts made anew, by the class of what ended the last.",
         LX_COUNTER, class_only, NULL},
        {"lunexec_log_gaps_total",
         "Places in job logs where lines are missing, rotated away by the kubelet.", LX_COUNTER,
         queue_only, NULL},
        {"lunexec_jobs_waiting", "Jobs that wait for their turn: what admit() says and the limits.",
         LX_GAUGE, queue_only, NULL},
        {"lunexec_leftovers_removed_total",
         "Objects of jobs that have ended, removed by the sweep (LUNEXEC_SWEEP_INTERVAL).",
         LX_COUNTER, kind_only, NULL},
    };
    struct lx_job_metrics *m = lx_alloc(sizeof *m);
    m->queue = queue;
    m->duration = lx_metric_add(metrics, &defs[0]);
    m->total = lx_metric_add(metrics, &defs[1]);
    m->errors = lx_metric_add(metrics, &defs[2]);
    m->handlers = lx_metric_add(metrics, &defs[3]);
    m->command_duration = lx_metric_add(metrics, &defs[4]);
    m->command_total = lx_metric_add(metrics, &defs[5]);
    m->command_errors = lx_metric_add(metrics, &defs[6]);
    m->failures = lx_metric_add(metrics, &defs[7]);
    m->retries = lx_metric_add(metrics, &defs[8]);
    m->log_gaps = lx_metric_add(metrics, &defs[9]);
    m->waiting = lx_metric_add(metrics, &defs[10]);
    m->leftovers = lx_metric_add(metrics, &defs[11]);
    lx_job_metrics_log_gaps(m, 0);
    add_policy_metrics(m, metrics);
    lx_job_metrics_running(m, 0);
    lx_job_metrics_waiting(m, 0);
    return m;
}

void lx_job_metrics_free(struct lx_job_metrics *metrics)
{
    free(metrics);
}

void lx_job_metrics_handled(struct lx_job_metrics *m, bool ok, uint64_t ms)
{
    const char *const values[] = {m->queue, "Handle", NULL};
    if (ok) {
        lx_metric_observe(m->duration, (double)ms / 1000, values);
        lx_metric_inc(m->total, 1, values);
    } else {
        lx_metric_inc(m->errors, 1, values);
    }
}

void lx_job_metrics_failed(struct lx_job_metrics *m, enum lx_failure_kind kind)
{
    const char *const values[] = {lx_failure_name(kind), NULL};
    lx_metric_inc(m->failures, 1, values);
}

void lx_job_metrics_retried(struct lx_job_metrics *m, enum lx_failure_kind kind)
{
    const char *const values[] = {lx_failure_name(kind), NULL};
    lx_metric_inc(m->retries, 1, values);
}

void lx_job_metrics_running(struct lx_job_metrics *m, size_t n)
{
    const char *const values[] = {m->queue, NULL};
    lx_metric_set(m->handlers, (double)n, values);
}

void lx_job_metrics_waiting(struct lx_job_metrics *m, size_t n)
{
    const char *const values[] = {m->queue, NULL};
    lx_metric_set(m->waiting, (double)n, values);
}

void lx_job_metrics_command(struct lx_job_metrics *m, const char *op, bool ok, uint64_t ms)
{
    const char *const values[] = {op, NULL};
    if (ok) {
        lx_metric_observe(m->command_duration, (double)ms / 1000, values);
        lx_metric_inc(m->command_total, 1, values);
    } else {
        lx_metric_inc(m->command_errors, 1, values);
    }
}

void lx_job_metrics_leftover(struct lx_job_metrics *m, const char *what)
{
    const char *const values[] = {what, NULL};
    lx_metric_inc(m->leftovers, 1, values);
}

void lx_job_metrics_log_gaps(struct lx_job_metrics *m, uint64_t n)
{
    const char *const values[] = {m->queue, NULL};
    lx_metric_inc(m->log_gaps, (double)n, values);
}

void lx_job_metrics_policy(struct lx_job_metrics *m, const char *function, enum lx_code code,
                           uint64_t us)
{
    const char *result = code == LX_OK          ? "ok"
                         : code == LX_E_TIMEOUT ? "timeout"
                         : code == LX_E_REFUSED ? "error"
                                                : "failed";
    const char *const values[] = {function, result, NULL}, *const name[] = {function, NULL};
    lx_metric_inc(m->policy_calls, 1, values);
    lx_metric_observe(m->policy_duration, (double)us / 1e6, name);
}

void lx_job_metrics_shadow(struct lx_job_metrics *m, const char *result)
{
    const char *const values[] = {result, NULL};
    lx_metric_inc(m->shadow, 1, values);
}
