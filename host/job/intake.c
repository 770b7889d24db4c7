/*
 * Intake: takes jobs from the queue while there is a free slot (contract 4).
 */
#include "job/priv.h"

#include "lunexec/backoff.h"
#include "lunexec/text.h"

#define FAILURE_PAUSE_MAX_MS 5000
/* What a dequeue that is underway when draining begins has left. */
#define DRAIN_PATIENCE_MS 500

static void told_idle(void *arg)
{
    struct lx_executor *ex = arg;
    lx_heartbeat_stop(ex);
    ex->opts.on_idle(ex->opts.arg);
}

static void check_idle(struct lx_executor *ex)
{
    if (!ex->draining || ex->dequeue || !lx_list_empty(&ex->runs) || ex->idle_told)
        return;
    ex->idle_told = true;
    lx_task_init(&ex->idle_task, told_idle, ex);
    lx_task_post(ex->opts.loop, &ex->idle_task);
}

static struct lx_run *find_run(const struct lx_executor *ex, const char *uid)
{
    lx_list_each (it, &ex->runs) {
        struct lx_run *run = lx_container_of(it, struct lx_run, link);
        if (lx_streq(run->job->uid, uid))
            return run;
    }
    return NULL;
}

/* With another token than we have it, the server took the job back and gave it to us anew: what we
 * have of it comes to its end, and the new one begins then. */
static bool take_anew(struct lx_run *run, struct lx_job *job)
{
    if (!*job->token || lx_streq(job->token, run->job->token) ||
        (run->next && lx_streq(job->token, run->next->token)))
        return false;
    lx_log(run->ex->opts.log, LX_LOG_WARN, "the frontend gave us a job anew that we have",
           LX_STR("job", job->uid));
    lx_job_free(run->next); /* its token is not valid any more */
    run->next = job;
    lx_limiter_give(&run->ex->limiter);
    lx_run_stop(run, LX_FAIL_LOST, "the frontend has taken this job back");
    return true;
}

void lx_intake_next(struct lx_executor *ex, struct lx_job *job)
{
    if (ex->draining) {
        lx_job_free(job);
        lx_intake_done(ex);
        return;
    }
    lx_run_start(ex, job);
}

/* false: the server gave us what we have already. */
static bool take(struct lx_executor *ex, struct lx_job *job)
{
    struct lx_run *run = find_run(ex, job->uid);
    if (run && take_anew(run, job))
        return true;
    if (run) {
        lx_log(ex->opts.log, LX_LOG_ERROR, "job already exists", LX_STR("job", job->uid));
        lx_job_free(job);
        lx_limiter_give(&ex->limiter);
        return false;
    }
    ex->dequeued++;
    lx_run_start(ex, job);
    lx_job_metrics_running(ex->metrics, ex->limiter.used);
    if (ex->opts.num_total_jobs > 0 && ex->dequeued >= ex->opts.num_total_jobs) {
        lx_log(ex->opts.log, LX_LOG_INFO, "EXECUTOR_NUM_TOTAL_JOBS reached, draining",
               LX_INT("jobs", ex->dequeued));
        lx_executor_drain(ex);
    }
    return true;
}

static void on_dequeued(void *arg, struct lx_job *job, const struct lx_err *err)
{
    struct lx_executor *ex = arg;
    ex->dequeue = NULL;
    if (job) {
        ex->dequeue_failures = 0;
        if (take(ex, job))
            lx_intake_poll(ex);
        else if (!ex->draining)
            lx_timer_start(ex->poll_timer, (uint64_t)ex->opts.poll_interval_ms, 0);
        check_idle(ex);
        return;
    }
    lx_limiter_give(&ex->limiter);
    uint64_t pause = (uint64_t)ex->opts.poll_interval_ms;
    if (err) {
        struct lx_backoff backoff = {pause, FAILURE_PAUSE_MAX_MS, ex->dequeue_failures++};
        if (ex->dequeue_failures > 3)
            pause = lx_backoff_next(&backoff, &ex->rand);
        lx_log(ex->opts.log, LX_LOG_WARN, "dequeue failed", LX_ERR(err));
    } else {
        ex->dequeue_failures = 0;
    }
    if (!ex->draining)
        lx_timer_start(ex->poll_timer, pause, 0);
    check_idle(ex);
}

/* The policy has yet to say what the run counts for. */
static bool undecided(const struct lx_run *run)
{
    return run->ticket.state == LX_TICKET_OUT &&
           (run->state_id == LX_STATE_QUEUED || run->state_id == LX_STATE_FETCHING ||
            run->state_id == LX_STATE_PREPARING || run->state_id == LX_STATE_PLANNING ||
            run->state_id == LX_STATE_PARKED);
}

/* Whether one more job could begin, as far as is known. */
static bool has_room(const struct lx_executor *ex)
{
    if (!lx_admission_limited(&ex->admission))
        return true;
    lx_list_each (it, &ex->runs) {
        if (undecided(lx_container_of(it, struct lx_run, link)))
            return false;
    }
    return !lx_admission_full(&ex->admission);
}

void lx_intake_poll(struct lx_executor *ex)
{
    if (ex->draining || ex->dequeue || !lx_journal_writer_healthy(ex->journal) || !has_room(ex) ||
        !lx_limiter_take(&ex->limiter))
        return;
    lx_timer_stop(ex->poll_timer);
    ex->dequeue = lx_queue_dequeue(ex->opts.queue, on_dequeued, ex);
}

void lx_intake_resume(struct lx_executor *ex)
{
    if (!lx_timer_active(ex->poll_timer))
        lx_intake_poll(ex);
}

void lx_intake_done(struct lx_executor *ex)
{
    lx_limiter_give(&ex->limiter);
    lx_job_metrics_running(ex->metrics, ex->limiter.used);
    lx_job_metrics_waiting(ex->metrics, lx_admission_waiting(&ex->admission));
    if (lx_list_empty(&ex->runs)) {
        lx_watch_pause(ex->watch);
        ex->pods_known = false;
    }
    lx_intake_poll(ex);
    check_idle(ex);
}

void lx_executor_drain(struct lx_executor *ex)
{
    if (ex->draining)
        return;
    ex->draining = true;
    lx_timer_stop(ex->active_timer);
    if (ex->dequeue)
        lx_timer_start(ex->poll_timer, DRAIN_PATIENCE_MS, 0);
    else
        lx_timer_stop(ex->poll_timer);
    check_idle(ex);
}

void lx_intake_abandon(struct lx_executor *ex)
{
    if (!ex->dequeue)
        return;
    lx_queue_cancel(lx_take(ex->dequeue));
    lx_limiter_give(&ex->limiter);
    check_idle(ex);
}

void lx_executor_stop(struct lx_executor *ex)
{
    lx_executor_drain(ex);
    lx_intake_abandon(ex);
    lx_list_each (it, &ex->runs)
        lx_run_stop(lx_container_of(it, struct lx_run, link), LX_FAIL_STOPPED,
                    "the executor was told to stop at once");
    check_idle(ex);
}
