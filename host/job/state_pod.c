/*
 * While the pod lives: PENDING, RUNNING, DRAINING_LOGS.
 */
#include "job/priv.h"

#include "job/verdict.h"
#include "lunexec/clock.h"
#include "lunexec/text.h"

/* How long the logs of a pod that has ended may bring nothing; while they do bring something, only
 * the job's own deadline ends them. */
#define DRAIN_TIMEOUT_MS 180000

/* What a pod waits for is looked at again so often. */
#define LOOK_AGAIN_MS 5000

static void on_log_end(void *arg, const struct lx_err *err)
{
    struct lx_run *run = arg;
    lx_job_metrics_command(run->ex->metrics, "kubernetes.pod.logs", !err, 0);
    if (err)
        lx_failure_set(&run->failure, LX_FAIL_LOGS, "reading the log of job %s: %s",
                       run->workload->job_name, err->text);
    run->state->on_event(run, LX_EVENT_LOG_END);
}

struct lx_stuck lx_run_stuck(const struct lx_run *run)
{
    struct lx_stuck stuck = lx_stuck_of(lx_run_find_pod(run));
    const char *refusal = lx_progress_refusal(run->progress);
    const char *trouble = lx_progress_trouble(run->progress);
    if (stuck.kind == LX_FAIL_NO_POD && refusal) {
        stuck.kind = lx_failure_of_answer(403, refusal);
        stuck.reason = "FailedCreate";
        stuck.message = refusal;
    }
    if (stuck.kind == LX_FAIL_POD_SETUP && trouble)
        stuck.message = trouble;
    /* Later messages of the kubelet do not repeat what the registry said. */
    if (stuck.kind == LX_FAIL_IMAGE_PULL && (run->stuck_kind == LX_FAIL_IMAGE_NOT_FOUND ||
                                             run->stuck_kind == LX_FAIL_IMAGE_UNAUTHORIZED))
        stuck.kind = run->stuck_kind;
    return stuck;
}

static void fail_stuck(struct lx_run *run, const struct lx_stuck *stuck)
{
    lx_stuck_fail(stuck, run->workload, &run->failure);
    /* The steps before the one that never starts have logs, too. */
    if (lx_containers_ending(run->containers))
        lx_run_go(run, LX_STATE_DRAINING_LOGS);
    else
        lx_run_end(run);
}

static uint64_t pause_of(uint64_t grace, uint64_t waited)
{
    uint64_t left = waited < grace ? grace - waited : LOOK_AGAIN_MS;
    return left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS;
}

/* What waits for something that does not come gets its grace, and then the job fails. */
static void watch_stuck(struct lx_run *run)
{
    struct lx_stuck stuck = lx_run_stuck(run);
    uint64_t now = lx_now_ms();
    /* What is not seen while the API server is in trouble may be there all the same: that time does
     * not count. */
    if (stuck.kind != run->stuck_kind)
        run->stuck_since_ms = now;
    else if (!lx_watch_current(run->ex->watch))
        run->stuck_since_ms += now - run->stuck_seen_ms;
    run->stuck_kind = stuck.kind;
    run->stuck_seen_ms = now;
    lx_timer_stop(run->state_timer);
    if (stuck.kind == LX_FAIL_NONE)
        return;
    uint64_t grace = lx_grace_of(&run->grace, &stuck), waited = now - run->stuck_since_ms;
    if (waited >= grace && lx_watch_current(run->ex->watch))
        fail_stuck(run, &stuck);
    else
        lx_timer_start(run->state_timer, pause_of(grace, waited), 0);
}

void lx_run_judge(struct lx_run *run, const struct lx_pod *pod, bool deleted)
{
    struct lx_evidence evidence = {
        .workload = run->workload,
        .job_uid = run->job_uid,
        .pod_uid = run->pod_uid,
        .pod = pod,
        .deleted = deleted,
        .logs = lx_containers_logs(run->containers),
    };
    enum lx_verdict verdict = lx_verdict_of(&evidence, &run->failure);
    if (verdict == LX_VERDICT_FOREIGN)
        return;
    if (verdict != LX_VERDICT_OPEN) {
        lx_job_metrics_command(run->ex->metrics, "kubernetes.pod.wait",
                               verdict != LX_VERDICT_FAILED, lx_now_ms() - run->call_ms);
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
    watch_stuck(run);
}

void lx_state_pending(struct lx_run *run)
{
    struct lx_containers_opts opts = {
        .executor = &run->ex->opts,
        .workload = run->workload,
        .entries = run->entries,
        .metrics = run->ex->metrics,
        .on_log_end = on_log_end,
        .arg = run,
    };
    run->containers = lx_containers_new(&opts);
    run->call_ms = lx_now_ms();
    run->stuck_kind = LX_FAIL_NONE;
    struct lx_progress_wait wait = {
        .loop = run->ex->opts.loop,
        .kube = run->ex->opts.kube,
        .ns = run->ex->opts.ns,
        .job_name = run->workload->job_name,
        .events_denied = &run->ex->events_denied,
    };
    lx_progress_wait(run->progress, &wait);
    const struct lx_pod *pod = lx_run_find_pod(run);
    if (pod)
        lx_run_pod(run, LX_POD_CHANGED, pod);
    else
        watch_stuck(run);
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
        watch_stuck(run);
        break;
    case LX_EVENT_LOG_END:
        break;
    }
}

/* The logs are part of the verdict. */
static void end_draining(struct lx_run *run)
{
    enum lx_verdict verdict =
        run->failure.kind == LX_FAIL_NONE
            ? lx_verdict_of_logs(run->workload, lx_containers_logs(run->containers), &run->failure)
            : LX_VERDICT_FAILED;
    if (verdict == LX_VERDICT_ENDED)
        lx_failure_set(&run->failure, LX_FAIL_LOGS, "a log of job %s was not read to its end",
                       run->workload->job_name);
    lx_run_step_done(run);
}

void lx_state_draining(struct lx_run *run)
{
    lx_containers_ended(run->containers);
    (void)lx_containers_moved(run->containers);
    lx_timer_start(run->state_timer, DRAIN_TIMEOUT_MS, 0);
    if (lx_containers_idle(run->containers))
        end_draining(run);
}

void lx_event_draining(struct lx_run *run, enum lx_run_event event)
{
    if (event == LX_EVENT_TIMEOUT && lx_containers_moved(run->containers)) {
        lx_timer_start(run->state_timer, DRAIN_TIMEOUT_MS, 0);
        return;
    }
    if (event == LX_EVENT_TIMEOUT)
        lx_failure_set(&run->failure, LX_FAIL_LOGS,
                       "the log of job %s did not come to its end and brought nothing for %d s",
                       run->workload->job_name, DRAIN_TIMEOUT_MS / 1000);
    if (event != LX_EVENT_LOG_END || lx_containers_idle(run->containers))
        end_draining(run);
}
