/*
 * From the queue to a plan: QUEUED, FETCHING, PLANNING, PARKED. (PREPARING: state_workspace.c)
 */
#include "job/priv.h"

#include "job/facts.h"
#include "job/task.h"
#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <string.h>

/* A workspace file that is fetched whole into memory. */
#define FILE_MAX ((size_t)64 * 1024 * 1024)

/* A frontend that restarts is waited for; the job's own time ends every wait. */
#define FILE_PATIENCE_MS 300000

void lx_event_before_pod(struct lx_run *run, enum lx_run_event event)
{
    if (event == LX_EVENT_TIMEOUT)
        lx_failure_set(&run->failure, LX_FAIL_POLICY, "the policy did not answer in time");
    lx_run_go(run, LX_STATE_CLEANING);
}

void lx_state_queued(struct lx_run *run)
{
    lx_log(run->ex->opts.log, LX_LOG_INFO, "job started", LX_STR("job", run->job->uid),
           LX_STR("queue", run->job->queue), LX_STR("repository", run->job->repository),
           LX_INT("steps", run->job->n_steps));
    if (run->failure.kind != LX_FAIL_NONE) {
        lx_run_go(run, LX_STATE_CLEANING);
        return;
    }
    if (run->job->n_cli_steps > 0) {
        lx_run_fail(run, LX_FAIL_INPUT,
                    "the job has src-cli steps, which this executor cannot run: switch on native "
                    "execution of server-side batch changes in Sourcegraph");
        return;
    }
    if (run->ex->journal)
        lx_journal_writer_barrier(run->ex->journal, run->ex->opts.loop, &run->durable_task);
    else
        lx_run_go(run, LX_STATE_FETCHING);
}

static void on_file(void *arg, const char *data, size_t len, const struct lx_err *err)
{
    struct lx_run *run = arg;
    struct lx_job_file *file = &run->job->files[run->file_index];
    run->queue_call = NULL;
    if (err) {
        lx_run_fail(run, LX_FAIL_FILES, "fetching workspace file %s: %s", file->path, err->text);
        return;
    }
    file->content = lx_alloc(len + 1);
    memcpy(file->content, data, len);
    file->content_len = len;
    lx_state_fetching(run);
}

/* One bucket file after another (contract 1.9). */
void lx_state_fetching(struct lx_run *run)
{
    struct lx_job *job = run->job;
    for (; run->file_index < job->n_files; run->file_index++) {
        struct lx_job_file *file = &job->files[run->file_index];
        if (file->content)
            continue;
        run->queue_call = lx_queue_file(run->ex->opts.queue, job, file->bucket, file->key, FILE_MAX,
                                        lx_now_ms() + FILE_PATIENCE_MS, on_file, run);
        return;
    }
    bool prepare = run->ex->opts.shared_volume && !run->prepared;
    lx_run_go(run, prepare ? LX_STATE_PREPARING : LX_STATE_PLANNING);
}

struct lx_manifests lx_run_manifests(const struct lx_run *run)
{
    return (struct lx_manifests){
        .opts = &run->ex->opts,
        .job = run->job,
        .workload = run->workload,
        .policy = run->policy,
        .frontend = run->ex->frontend,
        .run = run->tag,
    };
}

static int accept_plan(struct lx_run *run, const json_t *results, struct lx_err *err)
{
    struct lx_manifests manifests = lx_run_manifests(run);
    if (lx_manifests_plan(&manifests, results, &run->manifest, err) < 0 ||
        lx_grace_parse(results, &run->grace, err) < 0)
        return -1;
    lx_workload_learn(run->workload, run->manifest);
    lx_objects_add(&run->objects, run->workload,
                   !run->workspace && lx_streq(run->ex->opts.volume_type, "pvc"));
    return 0;
}

/* With the traceback, if a script raised the error. */
static const char *policy_error(const struct lx_policy *policy, const struct lx_err *err)
{
    const char *text = lx_policy_error_text(policy);
    return err->code == LX_E_REFUSED && *text ? text : err->text;
}

/* Calls a function of the run's policy with `first` (taken over) and the settings. */
static void ask(struct lx_run *run, const char *function, json_t *first,
                void (*cb)(void *arg, bool defined, json_t *results, const struct lx_err *err))
{
    lx_auto(json) json_t *args = json_pack("[o, O]", first, run->ex->opts.policy_settings);
    lx_decision_asked(run->decision, function, args);
    run->policy_call = lx_policy_call(run->policy, function, args, cb, run);
}

/* The policy's part ends the job; the log of the executor gets the first line of why. */
static void refuse(struct lx_run *run, const char *function, const char *text)
{
    lx_auto(str) char *reason = lx_strf("%s%.*s", function, (int)strcspn(text, "\n"), text);
    lx_decision_close(lx_take(run->decision), reason);
    lx_run_fail(run, LX_FAIL_POLICY, "%s%s", function, text);
}

/* Everything that was to be decided is. */
static void decided(struct lx_run *run)
{
    lx_decision_close(lx_take(run->decision), NULL);
    lx_run_go(run, LX_STATE_CREATING);
}

static void on_plan(void *arg, bool defined, json_t *results, const struct lx_err *call_err)
{
    struct lx_run *run = arg;
    struct lx_err err;
    run->policy_call = NULL;
    lx_decision_answered(run->decision, results, call_err);
    if (call_err)
        refuse(run, "policy job(): ", policy_error(run->policy, call_err));
    else if (!defined)
        refuse(run, "", "the policy has no function job()");
    else if (accept_plan(run, results, &err) < 0)
        refuse(run, "policy job(): ", err.text);
    else if (run->admitted)
        decided(run);
    else
        lx_run_go(run, LX_STATE_PARKED);
}

static void ask_for_plan(struct lx_run *run)
{
    struct lx_executor *ex = run->ex;
    struct lx_task_attempt attempt = {run->attempt, run->resources};
    lx_auto(json) json_t *task =
        lx_task_new(&ex->opts, run->job, run->workload, &attempt, lx_facts_new(ex, run->job));
    lx_auto(json) json_t *job = lx_task_job(run->job, run->attempt, lx_facts_new(ex, run->job));
    if (!run->policy)
        run->policy = lx_policy_ref(ex->policies[LX_POLICY_ACTIVE]);
    lx_recent_add(ex->recent, task, job);
    lx_decision_free(run->decision);
    run->decision = lx_decision_new(ex, run->policy, run->job);
    ask(run, "job", json_incref(task), on_plan);
}

void lx_state_planning(struct lx_run *run)
{
    struct lx_executor *ex = run->ex;
    struct lx_err err;
    if (run->job->n_steps == 0) {
        lx_log(ex->opts.log, LX_LOG_WARN, "job has no steps", LX_STR("job", run->job->uid));
        lx_run_go(run, LX_STATE_CLEANING);
        return;
    }
    if (lx_run_displaced(run))
        return;
    int result = run->workspace
                     ? lx_workload_new_step(run->job, run->step, run->attempt, &run->workload, &err)
                     : lx_workload_new(&ex->opts, run->job, run->attempt, &run->workload, &err);
    if (result < 0) {
        lx_run_fail(run, LX_FAIL_INPUT, "%s", err.text);
        return;
    }
    if (lx_map_get(ex->by_job_name, run->workload->job_name) ||
        !lx_map_put(ex->by_job_name, run->workload->job_name, run)) {
        lx_run_fail(run, LX_FAIL_INTERNAL, "a job named %s is underway already",
                    run->workload->job_name);
        return;
    }
    ask_for_plan(run);
}

static void count_waiting(const struct lx_executor *ex)
{
    lx_job_metrics_waiting(ex->metrics, lx_admission_waiting(&ex->admission));
}

static void admitted(void *arg)
{
    struct lx_run *run = arg;
    count_waiting(run->ex);
    run->admitted = true;
    decided(run);
    lx_intake_resume(run->ex);
}

static void wait_for_turn(struct lx_run *run)
{
    lx_auto(str) char *why = lx_admission_why(&run->ex->admission, &run->ticket);
    lx_progress_tell(run->progress, why);
    lx_log(run->ex->opts.log, LX_LOG_INFO, "job waits", LX_STR("job", run->job->uid),
           LX_STR("reason", why));
    count_waiting(run->ex);
    lx_intake_resume(run->ex);
}

static void on_admit(void *arg, bool defined, json_t *results, const struct lx_err *call_err)
{
    struct lx_run *run = arg;
    const json_t *admission = defined ? json_array_get(results, 0) : NULL;
    struct lx_claim claim = {0};
    struct lx_err err;
    run->policy_call = NULL;
    lx_decision_answered(run->decision, results, call_err);
    run->ticket.granted = admitted;
    run->ticket.arg = run;
    if (call_err) {
        refuse(run, "policy admit(): ", policy_error(run->policy, call_err));
    } else if (lx_claim_read(admission, json_array_get(results, 1), &claim, &err) < 0 ||
               lx_admission_enter(&run->ex->admission, &run->ticket, &claim, &err) < 0) {
        refuse(run, "", err.text);
    } else {
        json_decref(run->admission); /* of before a restart */
        run->admission = json_incref((json_t *)(uintptr_t)admission);
        if (run->ticket.state == LX_TICKET_RUNNING)
            admitted(run);
        else
            wait_for_turn(run);
    }
}

void lx_state_parked(struct lx_run *run)
{
    ask(run, "admit", lx_task_job(run->job, run->attempt, lx_facts_new(run->ex, run->job)),
        on_admit);
}
