/*
 * Another attempt at a job that the cluster failed: RETRYING asks the policy, CLEARING removes what
 * the last attempt left and waits until none of it runs any more. The next one has fresh names, and
 * in the shared-volume layout a fresh workspace.
 */
#include "job/priv.h"

#include "job/facts.h"
#include "job/task.h"
#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

/* How often a pod that is to end is looked for. */
#define GONE_PAUSE_MS 500
#define DELETE_PATIENCE_MS 60000

/* ---- RETRYING ---- */

/* The failure stands after all. */
static void give_up(struct lx_run *run)
{
    lx_failure_done(&run->failure);
    run->failure = run->ended;
    run->ended = (struct lx_failure){0};
    lx_run_go(run, LX_STATE_CLEANING);
}

static bool in_time(const struct lx_run *run, uint64_t delay_ms)
{
    int64_t limit = run->ex->opts.max_runtime_ms;
    return limit <= 0 || lx_now_ms() - run->started_ms + delay_ms < (uint64_t)limit;
}

static void tell_end(struct lx_run *run, uint64_t delay_ms)
{
    char delay[LX_DURATION_SIZE];
    lx_format_duration((int64_t)delay_ms, delay);
    lx_auto(str) char *text = lx_strf("[lunexec] attempt %u ended (%s): %s", run->attempt,
                                      lx_failure_name(run->ended.kind), run->ended.message);
    lx_entries_tell_open(run->entries, text);
    lx_log(run->ex->opts.log, LX_LOG_WARN, "attempt failed, the job is tried again",
           LX_STR("job", run->job->uid), LX_INT("attempt", run->attempt), LX_STR("delay", delay),
           LX_STR("failure", lx_failure_name(run->ended.kind)), LX_STR("reason", run->ended.reason),
           LX_STR("step", run->ended.step));
}

/* The attempt's log is what it is now; what is not delivered yet is kept before its pod goes. */
static void end_logs(struct lx_run *run)
{
    lx_progress_stop(run->progress);
    if (run->containers)
        lx_containers_stop(run->containers, run->ended.message);
    lx_entries_renew(run->entries);
    lx_entries_keep(run->entries);
}

static void on_answer(void *arg, bool defined, json_t *results, const struct lx_err *call_err)
{
    struct lx_run *run = arg;
    struct lx_err err = {0};
    struct lx_retry retry = {0};
    run->policy_call = NULL;
    if (call_err)
        err = *call_err;
    if (call_err || (defined && lx_retry_parse(results, &retry, &err) < 0)) {
        lx_wrap(&err, "policy retry()");
        lx_log(run->ex->opts.log, LX_LOG_ERROR, "the failure stands", LX_STR("job", run->job->uid),
               LX_ERR(&err));
        lx_auto(str) char *text = lx_strf("[lunexec] %s", err.text);
        lx_entries_tell_open(run->entries, text);
    }
    if (!retry.again || !in_time(run, retry.delay_ms)) {
        json_decref(retry.resources);
        give_up(run);
        return;
    }
    json_decref(run->resources);
    run->resources = retry.resources;
    run->not_before_ms = lx_now_ms() + retry.delay_ms;
    lx_job_metrics_retried(run->ex->metrics, run->ended.kind);
    tell_end(run, retry.delay_ms);
    lx_run_go(run, LX_STATE_CLEARING);
    end_logs(run);
}

void lx_state_retrying(struct lx_run *run)
{
    struct lx_executor *ex = run->ex;
    if (!run->policy) /* an earlier process has planned the attempt */
        run->policy = lx_policy_ref(ex->policies[LX_POLICY_ACTIVE]);
    struct lx_task_attempt attempt = {run->attempt, run->resources};
    run->ended = run->failure;
    run->failure = (struct lx_failure){0};
    lx_auto(json) json_t *args = json_array();
    json_array_append_new(args, lx_retry_failure(&run->ended, run->attempt));
    json_array_append_new(args, lx_task_new(&ex->opts, run->job, run->workload, &attempt,
                                            lx_facts_new(ex, run->job)));
    json_array_append_new(args, json_deep_copy(ex->opts.policy_settings));
    run->policy_call = lx_policy_call(run->policy, "retry", args, on_answer, run);
}

void lx_event_retrying(struct lx_run *run, enum lx_run_event event)
{
    if (event == LX_EVENT_LOG_END)
        return;
    if (event == LX_EVENT_TIMEOUT)
        give_up(run);
    else
        lx_run_go(run, LX_STATE_CLEANING);
}

/* ---- CLEARING ---- */

/* The next attempt's log begins with the end of the last one. */
static void open_next(struct lx_run *run)
{
    lx_auto(str) char *ended = lx_strf("[lunexec] attempt %u ended (%s): %s", run->attempt,
                                       lx_failure_name(run->ended.kind), run->ended.message);
    lx_auto(str) char *begins = lx_strf("[lunexec] attempt %u begins", run->attempt + 1);
    lx_progress_free(run->progress);
    run->progress = lx_progress_new(run->entries);
    struct lx_entry *entry = lx_entry_open(run->entries, "setup.workspace", NULL);
    lx_entry_line(entry, ended);
    lx_entry_line(entry, begins);
}

static void go_on(struct lx_run *run)
{
    open_next(run);
    lx_run_forget_step(run);
    lx_objects_free(&run->objects);
    lx_failure_done(&run->ended);
    run->ended_durable = false;
    lx_backoff_reset(&run->gone);
    run->attempt++;
    run->step = 0;
    run->prepared = false;
    run->shared = run->ex->opts.shared_volume;
    free(lx_take(run->ns));
    lx_workspace_free(lx_take(run->workspace));
    lx_run_go(run, LX_STATE_FETCHING); /* what was fetched is here, unless by an earlier process */
}

static void on_workspace_removed(void *arg, const struct lx_err *err)
{
    struct lx_run *run = arg;
    if (err) {
        lx_log(run->ex->opts.log, LX_LOG_WARN, "workspace not removed, the failure stands",
               LX_STR("job", run->job->uid), LX_ERR(err));
        give_up(run);
        return;
    }
    go_on(run);
}

/* Whether the pod has come to an end of which it cannot come back. */
static bool pod_ended(const struct lx_pod *pod)
{
    return lx_streq(pod->phase, "Succeeded") || lx_streq(pod->phase, "Failed");
}

/* The attempt's pod; NULL when it is gone, or never was. */
static const struct lx_pod *find_pod(const struct lx_run *run)
{
    const char *name = run->workload ? run->workload->job_name : run->planned;
    return name ? lx_watch_find(run->ex->watch, name) : NULL;
}

static void all_gone(struct lx_run *run)
{
    uint64_t now = lx_now_ms();
    const struct lx_pod *pod = find_pod(run);
    if (pod && !(run->ex->opts.keep_jobs && pod_ended(pod)))
        lx_timer_start(run->wait, GONE_PAUSE_MS, 0);
    else if (now < run->not_before_ms)
        lx_timer_start(run->wait, run->not_before_ms - now, 0);
    else if (lx_run_displaced(run))
        return;
    else if (run->workspace)
        lx_workspace_remove(run->workspace, on_workspace_removed, run);
    else
        go_on(run);
}

static void on_deleted(void *arg, const struct lx_kube_result *result)
{
    struct lx_run *run = arg;
    bool gone = result->err.code == LX_E_NOT_FOUND || result->err.code == LX_E_CONFLICT;
    run->kube_call = NULL;
    if (!result->ok && !gone) {
        lx_log(run->ex->opts.log, LX_LOG_WARN,
               "the last attempt cannot be removed, its failure "
               "stands",
               LX_STR("job", run->job->uid), LX_STR("name", run->cleaning->name),
               LX_ERR(&result->err));
        give_up(run);
        return;
    }
    /* Deleted in the foreground, a Job is there until its last pod is gone, and we may not get it:
     * the next delete tells. */
    if (run->cleaning->kind != LX_KUBE_JOB || gone)
        run->cleaning->gone = true;
    uint64_t pause = run->cleaning->gone ? 0 : lx_backoff_next(&run->gone, &run->ex->rand);
    lx_timer_start(run->wait, pause, 0);
}

/* With KUBERNETES_KEEP_JOBS, only what still runs has to go. */
static bool may_stay(const struct lx_run *run)
{
    const struct lx_pod *pod = run->ex->opts.keep_jobs ? find_pod(run) : NULL;
    return pod && pod_ended(pod);
}

void lx_clear(struct lx_run *run)
{
    struct lx_kube_delete_opts opts = {
        .is_meant = lx_owner_is_run, .arg = run, .grace_seconds = -1, .propagation = "Foreground"};
    run->ended_durable = true;
    run->cleaning = may_stay(run) ? NULL : lx_objects_leftover(&run->objects);
    if (!run->cleaning) {
        all_gone(run);
        return;
    }
    opts.uid = run->cleaning->uid;
    // rbac: batch/jobs delete, secrets delete: the attempt before the next one
    // rbac optional: persistentvolumeclaims delete: KUBERNETES_JOB_VOLUME_TYPE=pvc
    run->kube_call =
        lx_kube_delete(run->ex->opts.kube, run->cleaning->kind, lx_run_ns(run), run->cleaning->name,
                       &opts, lx_now_ms() + DELETE_PATIENCE_MS, on_deleted, run);
}

/* Entered anew after each pause. Objects go only when a restart would know that another attempt
 * follows. */
void lx_state_clearing(struct lx_run *run)
{
    end_logs(run); /* when it goes on after a restart; else it is done */
    if (run->ex->journal && !run->ended_durable)
        lx_journal_writer_barrier(run->ex->journal, run->ex->opts.loop, &run->durable_task);
    else
        lx_clear(run);
}

void lx_event_clearing(struct lx_run *run, enum lx_run_event event)
{
    if (event == LX_EVENT_LOG_END)
        return;
    if (event == LX_EVENT_TIMEOUT) {
        lx_log(run->ex->opts.log, LX_LOG_WARN,
               "the last attempt does not go away, its failure "
               "stands",
               LX_STR("job", run->job->uid));
        give_up(run);
    } else {
        lx_run_go(run, LX_STATE_CLEANING);
    }
}
