/*
 * While the pod lives: PENDING, RUNNING, DRAINING_LOGS.
 */
#include "job/priv.h"

#include "job/verdict.h"
#include "lunexec/clock.h"
#include "lunexec/text.h"

/* Once the pod has ended, its logs are there at once or never. */
#define DRAIN_TIMEOUT_MS 180000

static void on_log_end(void *arg, const struct lx_err *err)
{
    struct lx_run *run = arg;
    lx_job_metrics_command(run->ex->metrics, "kubernetes.pod.logs", !err, 0);
    if (err)
        lx_failure_set(&run->failure, LX_FAIL_LOGS, "reading the log of job %s: %s",
                       run->workload->job_name, err->text);
    run->state->on_event(run, LX_EVENT_LOG_END);
}

/* What waits for something that does not come gets its grace, and then the job fails. */
static void watch_stuck(struct lx_run *run, const struct lx_pod *pod)
{
    const struct lx_container *stuck = lx_stuck_container(pod);
    if (!stuck) {
        lx_timer_stop(run->state_timer);
        return;
    }
    uint64_t grace = lx_waiting_grace_ms(stuck);
    if (grace == 0)
        run->state->on_event(run, LX_EVENT_TIMEOUT);
    else if (!lx_timer_active(run->state_timer))
        lx_timer_start(run->state_timer, grace, 0);
}

static void fail_stuck(struct lx_run *run)
{
    const struct lx_pod *pod = lx_watch_find(run->ex->watch, run->workload->job_name);
    const struct lx_container *stuck = pod ? lx_stuck_container(pod) : NULL;
    if (!stuck)
        return;
    lx_containers_stop(run->containers);
    lx_run_fail(run, LX_FAIL_IMAGE, "job %s failed: container %s cannot start: %s%s%s",
                run->workload->job_name, stuck->name, stuck->reason, *stuck->message ? ": " : "",
                stuck->message);
}

void lx_run_judge(struct lx_run *run, const struct lx_pod *pod, bool deleted)
{
    enum lx_verdict verdict = lx_verdict_of(run->workload, pod, deleted, &run->failure);
    if (verdict != LX_VERDICT_OPEN) {
        lx_job_metrics_command(run->ex->metrics, "kubernetes.pod.wait",
                               verdict == LX_VERDICT_SUCCEEDED, lx_now_ms() - run->call_ms);
        lx_run_go(run, LX_STATE_DRAINING_LOGS);
        return;
    }
    if (run->state_id == LX_STATE_PENDING) {
        for (size_t i = 0; i < pod->n_containers; i++) {
            if (pod->containers[i].state != LX_CONTAINER_WAITING) {
                lx_run_go(run, LX_STATE_RUNNING);
                break;
            }
        }
    }
    watch_stuck(run, pod);
}

void lx_state_pending(struct lx_run *run)
{
    struct lx_containers_opts opts = {
        .executor = &run->ex->opts,
        .workload = run->workload,
        .entries = run->entries,
        .on_log_end = on_log_end,
        .arg = run,
    };
    run->containers = lx_containers_new(&opts);
    run->call_ms = lx_now_ms();
    struct lx_progress_wait wait = {
        .loop = run->ex->opts.loop,
        .kube = run->ex->opts.kube,
        .ns = run->ex->opts.ns,
        .job_name = run->workload->job_name,
        .events_denied = &run->ex->events_denied,
    };
    lx_progress_wait(run->progress, &wait);
    const struct lx_pod *pod = lx_watch_find(run->ex->watch, run->workload->job_name);
    if (pod)
        lx_run_pod(run, LX_POD_CHANGED, pod);
}

void lx_state_running(struct lx_run *run)
{
    lx_log(run->ex->opts.log, LX_LOG_DEBUG, "pod is running", LX_STR("job", run->job->uid));
}

void lx_event_with_pod(struct lx_run *run, enum lx_run_event event)
{
    switch (event) {
    case LX_EVENT_STOP:
        lx_run_go(run, LX_STATE_CLEANING);
        break;
    case LX_EVENT_TIMEOUT:
        fail_stuck(run);
        break;
    case LX_EVENT_LOG_END:
        break;
    }
}

void lx_state_draining(struct lx_run *run)
{
    lx_containers_ended(run->containers);
    lx_timer_start(run->state_timer, DRAIN_TIMEOUT_MS, 0);
    if (lx_containers_idle(run->containers))
        lx_run_step_done(run);
}

void lx_event_draining(struct lx_run *run, enum lx_run_event event)
{
    if (event == LX_EVENT_TIMEOUT)
        lx_failure_set(&run->failure, LX_FAIL_LOGS,
                       "the log of job %s did not come to its end within %d s",
                       run->workload->job_name, DRAIN_TIMEOUT_MS / 1000);
    if (event != LX_EVENT_LOG_END || lx_containers_idle(run->containers))
        lx_run_step_done(run);
}
