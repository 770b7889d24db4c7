#include "job/priv.h"

#include "lunexec/plan.h"

/* More jobs than EXECUTOR_MAXIMUM_NUM_JOBS run when that was larger before a restart. */
#define ADOPTED_MAX ((size_t)100000)

/* Bytes of the logs of all jobs, before they go to files. */
#define LOG_MEMORY ((size_t)8 * 1024 * 1024)

static void on_poll(void *arg)
{
    struct lx_executor *ex = arg;
    if (ex->draining)
        lx_intake_abandon(ex);
    else
        lx_intake_poll(ex);
}

static void on_max_active(void *arg)
{
    struct lx_executor *ex = arg;
    lx_log(ex->opts.log, LX_LOG_INFO, "EXECUTOR_MAX_ACTIVE_TIME reached, draining");
    lx_executor_drain(ex);
}

static void on_pod(void *arg, enum lx_pod_event event, const struct lx_pod *pod)
{
    struct lx_executor *ex = arg;
    struct lx_run *run = lx_map_get(ex->by_job_name, pod->job_name);
    if (run)
        lx_run_pod(run, event, pod);
}

static void on_watch_health(void *arg, bool healthy, const struct lx_err *err)
{
    struct lx_executor *ex = arg;
    if (healthy) {
        lx_log(ex->opts.log, LX_LOG_DEBUG, "watching pods");
        ex->pods_known = true;
        lx_adopt_go_on(ex);
    } else {
        lx_log(ex->opts.log, LX_LOG_ERROR, "watching pods fails, running jobs wait for it",
               LX_ERR(err));
    }
}

static void rewrite(void *arg)
{
    lx_adopt_rewrite(arg);
}

static void on_journal_health(void *arg, bool healthy)
{
    if (healthy)
        lx_intake_poll(arg);
}

static void open_journal(struct lx_executor *ex)
{
    struct lx_journal_writer_opts opts = {
        .loop = ex->opts.loop,
        .log = ex->opts.log,
        .journal = ex->opts.journal,
        .rewrite = rewrite,
        .on_health = on_journal_health,
        .arg = ex,
    };
    if (opts.journal)
        ex->journal = lx_journal_writer_new(&opts);
}

static void free_policies(struct lx_executor *ex)
{
    lx_list_each (it, &ex->decisions)
        lx_decision_free(lx_decision_of(it));
    for (size_t i = 0; i < LX_POLICY_ROLES; i++)
        lx_policy_free(ex->policies[i]);
    lx_history_free(ex->history);
    lx_recent_free(ex->recent);
}

static int read_tokens(const struct lx_executor_opts *opts, struct lx_tokens **ret_tokens,
                       struct lx_err *err)
{
    const char *patterns = opts->mask_patterns ? opts->mask_patterns : "";
    if (lx_tokens_new(patterns, ret_tokens, err) < 0)
        return lx_wrap(err, "LUNEXEC_MASK_PATTERNS");
    return 0;
}

int lx_executor_new(const struct lx_executor_opts *opts, struct lx_executor **ret_executor,
                    struct lx_err *err)
{
    struct lx_executor *ex = lx_alloc(sizeof *ex);
    if (lx_admission_init(&ex->admission, opts->loop, opts->max_cpu, opts->max_memory, err) < 0 ||
        read_tokens(opts, &ex->tokens, err) < 0) {
        free(ex);
        return -1;
    }
    ex->opts = *opts;
    ex->spool.limit = (uint64_t)opts->spool_limit;
    ex->spool.memory_limit = LOG_MEMORY;
    lx_rand_init(&ex->rand, 0);
    lx_list_init(&ex->runs);
    lx_list_init(&ex->decisions);
    lx_list_init(&ex->left);
    ex->frontend = lx_owner_frontend(opts->frontend_url);
    ex->policies[LX_POLICY_ACTIVE] = lx_policy_ref(opts->policy);
    ex->history = lx_history_new();
    ex->recent = lx_recent_new();
    lx_limiter_init(&ex->limiter, (size_t)opts->max_jobs);
    ex->by_job_name = lx_map_new((size_t)opts->max_jobs + ADOPTED_MAX, NULL);

    char label[LX_EXECUTOR_LABEL_SIZE];
    lx_executor_label(opts->executor_name, label);
    lx_auto(str) char *selector = lx_strf(
        LX_LABEL_MANAGED_BY "=" LX_LABEL_MANAGED_BY_VALUE "," LX_LABEL_EXECUTOR "=%s", label);
    struct lx_watch_opts watch = {
        .ns = opts->ns,
        .selector = selector,
        .on_pod = on_pod,
        .on_health = on_watch_health,
        .arg = ex,
    };
    if (lx_watch_new(opts->kube, &watch, opts->log, &ex->watch, err) < 0) {
        free_policies(ex);
        lx_map_free(ex->by_job_name);
        lx_tokens_free(ex->tokens);
        free(ex->frontend);
        free(ex);
        return -1;
    }
    ex->metrics = lx_job_metrics_new(opts->metrics, opts->queue_label);
    ex->poll_timer = lx_timer_new(opts->loop, on_poll, ex);
    ex->active_timer = lx_timer_new(opts->loop, on_max_active, ex);
    ex->sweep = lx_sweep_new(ex);
    open_journal(ex);
    *ret_executor = ex;
    return 0;
}

void lx_executor_free(struct lx_executor *ex)
{
    if (!ex)
        return;
    lx_heartbeat_stop(ex);
    lx_sweep_free(ex->sweep);
    lx_left_free(&ex->left);
    lx_queue_cancel(ex->dequeue);
    lx_list_each (it, &ex->runs)
        lx_run_free(lx_container_of(it, struct lx_run, link));
    lx_admission_done(&ex->admission);
    if (ex->idle_told)
        lx_task_cancel(&ex->idle_task);
    lx_journal_writer_free(ex->journal);
    free_policies(ex);
    lx_watch_free(ex->watch);
    lx_timer_free(ex->poll_timer);
    lx_timer_free(ex->active_timer);
    lx_timer_free(ex->handover_timer);
    lx_job_metrics_free(ex->metrics);
    lx_map_free(ex->by_job_name);
    lx_tokens_free(ex->tokens);
    free(ex->frontend);
    free(ex);
}

void lx_executor_start(struct lx_executor *ex)
{
    lx_adopt_all(ex);
    lx_heartbeat_start(ex);
    lx_sweep_start(ex->sweep);
    if (ex->opts.max_active_ms > 0)
        lx_timer_start(ex->active_timer, (uint64_t)ex->opts.max_active_ms, 0);
    lx_intake_poll(ex);
}

void lx_executor_use_policy(struct lx_executor *ex, enum lx_policy_role role,
                            struct lx_policy *policy)
{
    lx_assert(policy || role != LX_POLICY_ACTIVE);
    struct lx_policy *before = ex->policies[role];
    ex->policies[role] = policy ? lx_policy_ref(policy) : NULL;
    ex->opts.policy = ex->policies[LX_POLICY_ACTIVE];
    lx_policy_free(before);
}

json_t *lx_executor_recent(const struct lx_executor *ex)
{
    return lx_recent_all(ex->recent);
}

size_t lx_executor_running(const struct lx_executor *ex)
{
    size_t n = 0;
    lx_list_each (it, &ex->runs)
        n++;
    return n;
}
