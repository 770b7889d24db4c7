/*
 * The end that every job reaches: CLEANING, FLUSHING, REPORTING, GONE. Logs first, since marking
 * ends the job token (contract 1.2).
 */
#include "job/priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <string.h>

/* Patience with the API server when deleting, and with the frontend when marking. */
#define DELETE_PATIENCE_MS 60000
#define MARK_PATIENCE_MS 300000
/* What each object has at least when the patience with all of them is used up. */
#define LATE_PATIENCE_MS 1000

/* What is being waited for gets the patience that is left. */
static void limit_call(struct lx_run *run)
{
    if (run->hurry)
        lx_timer_start(run->state_timer, lx_run_patience(run, UINT64_MAX), 0);
}

void lx_event_gone(struct lx_run *run, enum lx_run_event event)
{
    (void)run;
    (void)event;
}

/* A failure before the first container ran has no log of its own: it is shown where users look
 * first. An entry that explains a failure does not say 0. */
static void explain(struct lx_run *run)
{
    static const char key[] = "setup.workspace";
    lx_progress_stop(run->progress);
    struct lx_entry *entry = lx_entry_find(run->entries, key);
    int64_t code = run->containers ? lx_containers_exit_code(run->containers, key) : -1;
    if (run->failure.kind != LX_FAIL_NONE && (!run->containers || entry))
        lx_progress_failure(run->progress, run->failure.message, code > 0 ? code : 1);
    else if (entry)
        lx_entry_finish(entry, run->failure.kind == LX_FAIL_NONE ? 0 : -1);
}

struct lx_entry *lx_run_teardown(struct lx_run *run, const char *key)
{
    struct lx_entry *entry = lx_entry_find(run->entries, key);
    return entry ? entry : lx_entry_open(run->entries, key, NULL);
}

static void clean_next(struct lx_run *run);

/* The pod of a job that is not complete may still run, and the job may be begun again, here or
 * elsewhere: until the pod has ended, its Job's name stays taken. */
static const char *propagation_of(const struct lx_run *run, const struct lx_object *object)
{
    bool done = run->failure.kind == LX_FAIL_NONE;
    return object->role == LX_OBJECT_JOB && !done ? "Foreground" : "Background";
}

/* The objects share the patience: a job over a shared volume has one or two for each step. */
static uint64_t delete_deadline(struct lx_run *run)
{
    uint64_t now = lx_now_ms(), until = now + lx_run_patience(run, DELETE_PATIENCE_MS);
    if (run->clean_until_ms == 0 || until < run->clean_until_ms)
        run->clean_until_ms = until;
    return run->clean_until_ms > now + LATE_PATIENCE_MS ? run->clean_until_ms
                                                        : now + LATE_PATIENCE_MS;
}

static void on_deleted(void *arg, const struct lx_kube_result *result)
{
    struct lx_run *run = arg;
    run->kube_call = NULL;
    /* A conflict: what has the name now is another's, made after ours was gone. */
    bool ok = result->ok || result->err.code == LX_E_NOT_FOUND || result->err.code == LX_E_CONFLICT;
    if (run->cleaning->role == LX_OBJECT_JOB)
        lx_job_metrics_command(run->ex->metrics, "kubernetes.job.delete", ok,
                               lx_now_ms() - run->call_ms);
    if (!ok) {
        lx_auto(str) char *text =
            lx_strf("Failed to delete %s %s", run->cleaning->what, run->cleaning->name);
        lx_entry_raw(run->teardown, text);
        run->teardown_code = 1;
        lx_log(run->ex->opts.log, LX_LOG_WARN, text, LX_STR("job", run->job->uid),
               LX_ERR(&result->err));
        lx_left_add(run->ex, run, run->cleaning);
    }
    clean_next(run);
}

static void clean_next(struct lx_run *run)
{
    run->cleaning = lx_objects_leftover(&run->objects);
    if (run->cleaning) {
        struct lx_kube_delete_opts opts = {.uid = run->cleaning->uid,
                                           .is_meant = lx_owner_is_run,
                                           .arg = run,
                                           .grace_seconds = -1,
                                           .propagation = propagation_of(run, run->cleaning)};
        run->cleaning->gone = true;
        run->call_ms = lx_now_ms();
        // rbac: batch/jobs delete, secrets delete: a job has ended
        // rbac optional: persistentvolumeclaims delete: KUBERNETES_JOB_VOLUME_TYPE=pvc
        run->kube_call =
            lx_kube_delete(run->ex->opts.kube, run->cleaning->kind, lx_run_ns(run),
                           run->cleaning->name, &opts, delete_deadline(run), on_deleted, run);
        return;
    }
    lx_entry_finish(run->teardown, run->teardown_code);
    lx_run_end_workspace(run);
}

void lx_event_cleaning(struct lx_run *run, enum lx_run_event event)
{
    bool removing = lx_workspace_busy(run->workspace);
    if (event == LX_EVENT_STOP && (run->kube_call || removing)) {
        limit_call(run);
    } else if (event == LX_EVENT_TIMEOUT && removing) {
        lx_run_leave_workspace(run);
    } else if (event == LX_EVENT_TIMEOUT && run->kube_call) {
        lx_log(run->ex->opts.log, LX_LOG_WARN, "an object of a stopped job may be left behind",
               LX_STR("job", run->job->uid), LX_STR("name", run->cleaning->name));
        lx_kube_cancel(lx_take(run->kube_call));
        lx_left_add(run->ex, run, run->cleaning);
        clean_next(run);
    }
}

/* Entries of an earlier process that nothing has gone on with: their containers did not come up
 * again. */
static void end_restored(struct lx_run *run)
{
    lx_entries_lost(run->entries);
    lx_entries_interrupted(run->entries, NULL, "[lunexec] the executor was restarted");
}

void lx_state_cleaning(struct lx_run *run)
{
    lx_timer_stop(run->deadline);
    lx_intake_resume(run->ex);
    if (!run->containers)
        lx_entries_lost(run->entries);
    explain(run);
    if (run->containers)
        lx_containers_stop(run->containers,
                           run->failure.message ? run->failure.message : "the job has ended");
    if (run->adopted)
        end_restored(run);
    lx_entries_end_left(run->entries);
    lx_entries_keep(run->entries);
    run->ending = true;
    lx_record_run(run);
    if (run->ex->journal)
        lx_journal_writer_barrier(run->ex->journal, run->ex->opts.loop, &run->durable_task);
    else
        lx_run_durable(run);
}

/* Objects go only when a restart would know the verdict without them. */
static void clean(struct lx_run *run)
{
    static const char key[] = "teardown.kubernetes.job";
    struct lx_entry *begun = lx_entry_find(run->entries, key);
    if (run->ex->opts.keep_jobs) {
        if (begun) /* by an earlier process that was to keep none */
            lx_entry_finish(begun, 0);
        lx_run_end_workspace(run);
        return;
    }
    run->teardown = lx_run_teardown(run, key);
    clean_next(run);
}

void lx_run_durable(struct lx_run *run)
{
    if (run->state_id == LX_STATE_QUEUED)
        lx_run_go(run, LX_STATE_FETCHING);
    else if (run->state_id == LX_STATE_CLEARING)
        lx_clear(run);
    else if (run->state_id == LX_STATE_CLEANING && !run->teardown)
        clean(run);
}

static void on_flushed(void *arg)
{
    struct lx_run *run = arg;
    const struct lx_err *err = lx_entries_error(run->entries);
    const char *left = lx_entries_left_results(run->entries);
    if (err)
        lx_failure_set(&run->failure, LX_FAIL_LOGS, "%s", err->text);
    else if (left)
        lx_failure_set(&run->failure, LX_FAIL_LOGS,
                       "log entry %s, which holds results, is incomplete: what followed when the "
                       "executor was restarted can no longer be read",
                       left);
    lx_run_go(run, LX_STATE_REPORTING);
}

void lx_event_flushing(struct lx_run *run, enum lx_run_event event)
{
    if (event == LX_EVENT_STOP) {
        limit_call(run);
    } else if (event == LX_EVENT_TIMEOUT) {
        lx_log(run->ex->opts.log, LX_LOG_WARN, "the log of a stopped job is not delivered",
               LX_STR("job", run->job->uid));
        lx_entries_abandon(run->entries);
    }
}

void lx_state_flushing(struct lx_run *run)
{
    limit_call(run);
    lx_entries_flush(run->entries, on_flushed, run);
}

/* The failure in one line, masked; a traceback is in the log. NULL without a failure. free(). */
static char *first_line(const struct lx_run *run)
{
    if (!run->failure.message)
        return NULL;
    char *text = lx_mask_strdup(run->mask, run->failure.message);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static void on_marked(void *arg, const struct lx_err *err)
{
    struct lx_run *run = arg;
    run->queue_call = NULL;
    if (err)
        lx_log(run->ex->opts.log, LX_LOG_WARN, "failed to mark the job",
               LX_STR("job", run->job->uid), LX_ERR(err));
    lx_run_go(run, LX_STATE_GONE);
}

void lx_event_reporting(struct lx_run *run, enum lx_run_event event)
{
    if (event == LX_EVENT_STOP)
        limit_call(run);
    else if (event == LX_EVENT_TIMEOUT)
        lx_run_go(run, LX_STATE_GONE);
}

void lx_state_reporting(struct lx_run *run)
{
    /* Not marked, the record is given to another executor after its stall age (contract 1.1). */
    bool marked = run->adopted && !run->confirmed; /* or lost; the frontend does not know it */
    if (run->failure.kind == LX_FAIL_STOPPED || marked || run->next) {
        lx_run_go(run, LX_STATE_GONE);
        return;
    }
    lx_auto(str) char *message = first_line(run);
    run->queue_call =
        lx_queue_mark(run->ex->opts.queue, run->job, lx_failure_mark(run->failure.kind), message,
                      lx_now_ms() + lx_run_patience(run, MARK_PATIENCE_MS), on_marked, run);
}

void lx_state_gone(struct lx_run *run)
{
    struct lx_executor *ex = run->ex;
    uint64_t took = lx_now_ms() - run->started_ms;
    bool ok = run->failure.kind == LX_FAIL_NONE;
    lx_auto(str) char *message = first_line(run);
    lx_log(ex->opts.log, ok ? LX_LOG_INFO : LX_LOG_WARN, ok ? "job completed" : "job failed",
           LX_STR("job", run->job->uid), LX_STR("queue", run->job->queue),
           LX_STR("failure", ok ? NULL : lx_failure_name(run->failure.kind)),
           LX_STR("step", run->failure.step), LX_STR("reason", run->failure.reason),
           LX_INT("attempt", run->attempt), LX_STR("error", message), LX_INT("ms", took));
    lx_job_metrics_handled(ex->metrics, ok, took);
    if (!ok)
        lx_job_metrics_failed(ex->metrics, run->failure.kind);
    lx_history_add(ex->history, run->job->queue, run->job->repository,
                   &(struct lx_past_job){.finished_at = lx_wall().tv_sec,
                                         .seconds = (int64_t)(took / 1000),
                                         .failure = ok ? NULL : lx_failure_name(run->failure.kind),
                                         .cost = lx_json_obj(run->admission, "cost")});
    struct lx_job *next = lx_take(run->next);
    lx_record_forget(run);
    lx_run_free(run);
    if (next)
        lx_intake_next(ex, next);
    else
        lx_intake_done(ex);
}
