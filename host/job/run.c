#include "job/priv.h"

#include "job/verdict.h"
#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <stdio.h>

#define BIT(state) (1u << (state))

/* Log entries are delivered with patience until the job's own deadline, and this much longer. */
#define ENTRY_GRACE_MS 60000

/* Calls wait for each other, and each has its own deadline; this is for a mistake of ours. */
#define PLANNING_TIMEOUT_MS 1800000
/* What a job that was taken up late has at least: its pod may have ended in time. */
#define ADOPTED_MIN_MS ((uint64_t)60000)

/* What is left of Kubernetes' 30 s of grace has to do for the end of a stopped job. */
#define SHORT_PATIENCE_MS 5000

/* A pod that was told to end has this long, beside the policy's delay of at most an hour. */
#define CLEARING_MS 4200000

/* Between two deletes of a Job that is being deleted: each only asks whether it is gone. */
#define GONE_BASE_MS 500
#define GONE_MAX_MS 3000

LX_DEFINE_AUTO(secrets, struct lx_secret *, free)

/* The way of a job; docs/architecture.md shows it as a picture. CLEANING is where every way that
 * fails leads, since objects may exist and the record has to be marked. */
static const struct lx_state states[LX_STATE_COUNT] = {
    [LX_STATE_ADOPTING] = {"ADOPTING", 0, lx_state_adopting, lx_event_adopting,
                           BIT(LX_STATE_QUEUED) | BIT(LX_STATE_PENDING) | BIT(LX_STATE_RETRYING) |
                               BIT(LX_STATE_CLEARING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_QUEUED] = {"QUEUED", 0, lx_state_queued, lx_event_before_pod,
                         BIT(LX_STATE_FETCHING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_FETCHING] = {"FETCHING", 0, lx_state_fetching, lx_event_before_pod,
                           BIT(LX_STATE_PREPARING) | BIT(LX_STATE_PLANNING) |
                               BIT(LX_STATE_CLEANING)},
    [LX_STATE_PREPARING] = {"PREPARING", 0, lx_state_preparing, lx_event_before_pod,
                            BIT(LX_STATE_PLANNING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_PLANNING] = {"PLANNING", PLANNING_TIMEOUT_MS, lx_state_planning, lx_event_before_pod,
                           BIT(LX_STATE_PARKED) | BIT(LX_STATE_CREATING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_PARKED] = {"PARKED", 0, lx_state_parked, lx_event_before_pod,
                         BIT(LX_STATE_CREATING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_CREATING] = {"CREATING", 0, lx_state_creating, lx_event_creating,
                           BIT(LX_STATE_PENDING) | BIT(LX_STATE_RETRYING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_PENDING] = {"PENDING", 0, lx_state_pending, lx_event_with_pod,
                          BIT(LX_STATE_RUNNING) | BIT(LX_STATE_DRAINING_LOGS) |
                              BIT(LX_STATE_RETRYING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_RUNNING] = {"RUNNING", 0, lx_state_running, lx_event_with_pod,
                          BIT(LX_STATE_DRAINING_LOGS) | BIT(LX_STATE_RETRYING) |
                              BIT(LX_STATE_CLEANING)},
    [LX_STATE_DRAINING_LOGS] = {"DRAINING_LOGS", 0, lx_state_draining, lx_event_draining,
                                BIT(LX_STATE_PLANNING) | BIT(LX_STATE_RETRYING) |
                                    BIT(LX_STATE_CLEANING)},
    [LX_STATE_RETRYING] = {"RETRYING", 60000, lx_state_retrying, lx_event_retrying,
                           BIT(LX_STATE_CLEARING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_CLEARING] = {"CLEARING", CLEARING_MS, lx_state_clearing, lx_event_clearing,
                           BIT(LX_STATE_FETCHING) | BIT(LX_STATE_CLEANING)},
    [LX_STATE_CLEANING] = {"CLEANING", 0, lx_state_cleaning, lx_event_cleaning,
                           BIT(LX_STATE_FLUSHING)},
    [LX_STATE_FLUSHING] = {"FLUSHING", 0, lx_state_flushing, lx_event_flushing,
                           BIT(LX_STATE_REPORTING)},
    [LX_STATE_REPORTING] = {"REPORTING", 0, lx_state_reporting, lx_event_reporting,
                            BIT(LX_STATE_GONE)},
    [LX_STATE_GONE] = {"GONE", 0, lx_state_gone, lx_event_gone, 0},
};

static void enter(void *arg)
{
    struct lx_run *run = arg;
    run->state->enter(run);
}

static void on_state_timeout(void *arg)
{
    struct lx_run *run = arg;
    run->state->on_event(run, LX_EVENT_TIMEOUT);
}

const char *lx_run_ns(const struct lx_run *run)
{
    return run->ns ? run->ns : run->ex->opts.ns;
}

const struct lx_pod *lx_run_find_pod(const struct lx_run *run)
{
    const char *name = run->workload ? run->workload->job_name : run->planned;
    const struct lx_pod *pod = NULL;
    if (run->pod_uid)
        pod = lx_watch_find_uid(run->ex->watch, run->pod_uid);
    else if (name)
        pod = lx_watch_find(run->ex->watch, name);
    return pod && lx_verdict_is_ours(pod, run->job_uid, run->pod_uid) ? pod : NULL;
}

/* Where the pod is: what its first container waits for, or which one runs. free(). */
static char *pod_at(const struct lx_run *run)
{
    const struct lx_pod *pod = lx_run_find_pod(run);
    if (!pod || pod->n_containers == 0)
        return lx_strdup("");
    const struct lx_container *first = &pod->containers[0];
    if (first->state == LX_CONTAINER_WAITING)
        return lx_strf(": its pod never started: container %s waits on node %s for its image or a "
                       "volume (%s), see the pod's events",
                       first->name, pod->node, first->reason);
    lx_auto(str) char *place = lx_verdict_place(run->workload, pod);
    return place ? lx_strf(": %s has not ended", place) : lx_strdup("");
}

/* What the time was spent on. free(). */
static char *spent_on(const struct lx_run *run, const struct lx_stuck *stuck)
{
    if (stuck->kind != LX_FAIL_NONE)
        return lx_strf(": its pod never started: %s%s%s", stuck->reason,
                       *stuck->reason && *stuck->message ? ": " : "", stuck->message);
    if (run->ended.kind != LX_FAIL_NONE)
        return lx_strf(" while attempt %u was being removed, which had ended (%s): %s",
                       run->attempt, lx_failure_name(run->ended.kind), run->ended.message);
    if (run->ticket.state == LX_TICKET_WAITING) {
        lx_auto(str) char *why = lx_admission_why(&run->ex->admission, &run->ticket);
        return lx_strf(": %s", why);
    }
    bool has_pod = run->state_id == LX_STATE_PENDING || run->state_id == LX_STATE_RUNNING;
    return has_pod ? pod_at(run) : lx_strdup("");
}

static void on_deadline(void *arg)
{
    struct lx_run *run = arg;
    char limit[LX_DURATION_SIZE];
    lx_format_duration(run->ex->opts.max_runtime_ms, limit);
    struct lx_stuck stuck = {0};
    if (run->state_id == LX_STATE_PENDING)
        stuck = lx_run_stuck(run);
    lx_auto(str) char *on = spent_on(run, &stuck);
    lx_auto(str) char *text = lx_strf("job exceeded maximum execution time of %s%s", limit, on);
    lx_run_stop(run, stuck.kind != LX_FAIL_NONE ? stuck.kind : LX_FAIL_DEADLINE, text);
}

static void cancel_calls(struct lx_run *run)
{
    lx_queue_cancel(lx_take(run->queue_call));
    lx_policy_cancel(lx_take(run->policy_call));
    lx_kube_cancel(lx_take(run->kube_call));
    lx_workspace_cancel(run->workspace);
    lx_timer_stop(run->wait);
    lx_journal_writer_forget(run->ex->journal, &run->durable_task);
    if (run->ticket.state == LX_TICKET_WAITING)
        lx_admission_leave(&run->ex->admission, &run->ticket);
}

static void set_state(struct lx_run *run, enum lx_state_id id)
{
    run->state_id = id;
    run->state = &states[id];
    lx_log(run->ex->opts.log, LX_LOG_DEBUG, "job state", LX_STR("job", run->job->uid),
           LX_STR("queue", run->job->queue), LX_STR("state", run->state->name));
    if (id != LX_STATE_GONE && id != LX_STATE_ADOPTING)
        lx_record_run(run);
    if (run->state->timeout_ms)
        lx_timer_start(run->state_timer, run->state->timeout_ms, 0);
    lx_task_post(run->ex->opts.loop, &run->enter_task);
}

/* The job's own replacements win over ours where values are equal (contract 4). */
static void make_mask(struct lx_run *run)
{
    const struct lx_job *job = run->job;
    size_t n = 0;
    lx_auto(secrets) struct lx_secret *secrets =
        lx_alloc_array(job->n_secrets + 2, sizeof *secrets);
    for (; n < job->n_secrets; n++)
        secrets[n] = (struct lx_secret){job->secrets[n].value, job->secrets[n].replacement};
    secrets[n++] = (struct lx_secret){run->ex->opts.password, "SECRET_REMOVED"};
    secrets[n++] = (struct lx_secret){job->token, "SECRET_REMOVED"};

    struct lx_err err;
    size_t ignored = 0;
    if (lx_mask_new(secrets, n, &run->mask, &ignored, &err) < 0) {
        lx_failure_set(&run->failure, LX_FAIL_INPUT, "redacted values of the job: %s", err.text);
        lx_assert(lx_mask_new(secrets + job->n_secrets, 2, &run->mask, NULL, &err) == 0);
    }
    lx_mask_use_tokens(run->mask, run->ex->tokens);
    if (ignored > 0)
        lx_log(run->ex->opts.log, LX_LOG_WARN, "redacted values that are too short are not masked",
               LX_STR("job", job->uid), LX_INT("values", ignored));
}

static void on_durable(void *arg)
{
    lx_run_durable(arg);
}

/* A run that began `age_ms` ago. */
static struct lx_run *run_new(struct lx_executor *ex, struct lx_job *job, uint64_t age_ms)
{
    struct lx_run *run = lx_alloc(sizeof *run);
    uint64_t limit = (uint64_t)ex->opts.max_runtime_ms;
    uint64_t left = age_ms + ADOPTED_MIN_MS < limit ? limit - age_ms : ADOPTED_MIN_MS;
    if (age_ms == 0)
        left = limit;
    run->ex = ex;
    run->job = job;
    run->taken_ms = run->heard_ms = lx_now_ms();
    run->started_ms = run->taken_ms - age_ms;
    run->started_wall = lx_wall_ms() - (int64_t)age_ms;
    run->attempt = 1;
    run->shared = ex->opts.shared_volume;
    run->gone = (struct lx_backoff){.base_ms = GONE_BASE_MS, .max_ms = GONE_MAX_MS};
    lx_owner_new_tag(run->tag);
    run->state_timer = lx_timer_new(ex->opts.loop, on_state_timeout, run);
    run->deadline = lx_timer_new(ex->opts.loop, on_deadline, run);
    run->wait = lx_timer_new(ex->opts.loop, enter, run);
    lx_task_init(&run->enter_task, enter, run);
    lx_task_init(&run->durable_task, on_durable, run);
    lx_list_init(&run->objects);
    make_mask(run);
    run->entries = lx_entries_new(&ex->opts, job, run->mask, &ex->spool,
                                  lx_now_ms() + left + ENTRY_GRACE_MS, ex->journal);
    run->progress = lx_progress_new(run->entries);
    lx_list_push(&ex->runs, &run->link);
    if (limit > 0)
        lx_timer_start(run->deadline, left, 0);
    return run;
}

struct lx_run *lx_run_start(struct lx_executor *ex, struct lx_job *job)
{
    struct lx_run *run = run_new(ex, job, 0);
    lx_record_job(run);
    set_state(run, LX_STATE_QUEUED);
    return run;
}

struct lx_run *lx_run_restore(struct lx_executor *ex, struct lx_job *job, const json_t *record)
{
    int64_t now = lx_wall_ms(), started = lx_json_int(record, "started", now);
    struct lx_run *run =
        run_new(ex, job, started > 0 && started < now ? (uint64_t)(now - started) : 1);
    json_decref(lx_take(job->payload)); /* it is in the journal */
    run->adopted = true;
    lx_record_read(run, record);
    set_state(run, LX_STATE_ADOPTING);
    return run;
}

void lx_run_free(struct lx_run *run)
{
    if (!run)
        return;
    lx_list_remove(&run->link);
    lx_task_cancel(&run->enter_task);
    cancel_calls(run);
    lx_timer_free(run->state_timer);
    lx_timer_free(run->deadline);
    lx_timer_free(run->wait);
    lx_run_forget_step(run);
    lx_decision_free(run->decision);
    lx_policy_free(run->policy);
    lx_admission_leave(&run->ex->admission, &run->ticket);
    json_decref(run->admission);
    lx_workspace_free(run->workspace);
    lx_progress_free(run->progress);
    lx_entries_free(run->entries);
    lx_failure_done(&run->failure);
    lx_failure_done(&run->ended);
    json_decref(run->resources);
    lx_mask_free(run->mask);
    lx_objects_free(&run->objects);
    lx_job_free(run->job);
    lx_job_free(run->next);
    free(run->ns);
    free(run->planned);
    json_decref(run->learnt);
    free(run);
}

void lx_run_go(struct lx_run *run, enum lx_state_id next)
{
    lx_assert(run->state->successors & BIT(next));
    lx_timer_stop(run->state_timer);
    cancel_calls(run);
    set_state(run, next);
}

void lx_run_fail(struct lx_run *run, enum lx_failure_kind kind, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *message = NULL;
    if (vasprintf(&message, fmt, args) < 0)
        message = lx_strdup(fmt);
    va_end(args);
    lx_failure_set(&run->failure, kind, "%s", message);
    free(message);
    lx_run_end(run);
}

void lx_run_end(struct lx_run *run)
{
    bool again = (run->state->successors & BIT(LX_STATE_RETRYING)) && !run->hurry &&
                 run->attempt < LX_ATTEMPTS_MAX && lx_failure_retryable(run->failure.kind);
    lx_run_go(run, again ? LX_STATE_RETRYING : LX_STATE_CLEANING);
}

void lx_run_stop(struct lx_run *run, enum lx_failure_kind kind, const char *message)
{
    lx_failure_set(&run->failure, kind, "%s", message);
    run->hurry = run->hurry || kind == LX_FAIL_LOST || kind == LX_FAIL_STOPPED;
    if (kind == LX_FAIL_LOST)
        lx_entries_abandon(run->entries);
    run->state->on_event(run, LX_EVENT_STOP);
}

uint64_t lx_run_patience(const struct lx_run *run, uint64_t usual_ms)
{
    return run->hurry && usual_ms > SHORT_PATIENCE_MS ? SHORT_PATIENCE_MS : usual_ms;
}

bool lx_run_alive(const struct lx_run *run)
{
    return run->state_id != LX_STATE_GONE;
}

void lx_run_pod(struct lx_run *run, enum lx_pod_event event, const struct lx_pod *pod)
{
    /* Before PENDING is entered the pod may exist already; entering looks it up. */
    if (!run->containers || !lx_verdict_is_ours(pod, run->job_uid, run->pod_uid))
        return;
    if (!run->pod_uid)
        run->pod_uid = lx_strdup(pod->uid);
    if (run->state_id == LX_STATE_PENDING || run->state_id == LX_STATE_RUNNING ||
        run->state_id == LX_STATE_DRAINING_LOGS) {
        if (!run->seen) {
            run->seen = true;
            lx_record_run(run);
        }
        lx_progress_pod(run->progress, pod);
        lx_containers_update(run->containers, pod);
        if (run->state_id != LX_STATE_DRAINING_LOGS)
            lx_run_judge(run, pod, event == LX_POD_DELETED);
    }
}
