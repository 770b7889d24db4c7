#include "lunexec/trial.h"

#include "job/claim.h"
#include "job/grace.h"
#include "job/manifests.h"
#include "lunexec/text.h"

/* Names of trial Jobs are no job's, so that none is in the way. */
#define DRY_RUN_NAME "lunexec-policy-trial"

enum stage { STAGE_JOB, STAGE_ADMIT, STAGE_RETRY, STAGE_NETWORK, STAGE_DONE };

struct lx_trial {
    struct lx_trial_opts opts;
    json_t *tasks;
    size_t at; /* the task underway */
    enum stage stage;
    struct lx_policy_call *call;
    struct lx_kube_call *kube_call;
};

static void next_stage(struct lx_trial *trial);

static json_t *argument(const struct lx_trial *trial, const char *member)
{
    return lx_json_obj(json_array_get(trial->tasks, trial->at), member);
}

static void finish(struct lx_trial *trial, const struct lx_err *err)
{
    trial->stage = STAGE_DONE;
    trial->opts.done(trial->opts.arg, err);
}

static void fail(struct lx_trial *trial, const struct lx_err *why)
{
    struct lx_err err = *why;
    const json_t *task = argument(trial, "task");
    if (err.code != LX_E_TIMEOUT)
        err.code = LX_E_REFUSED;
    if (task)
        lx_wrap(&err, "tried on a job of %s (%s)", lx_json_str(task, "repository", ""),
                lx_json_str(task, "queue", ""));
    finish(trial, &err);
}

/* From admit() on to the next task, from the last one on to what needs none. */
static void advance(struct lx_trial *trial)
{
    if (trial->stage != STAGE_ADMIT) {
        trial->stage++;
    } else if (++trial->at < json_array_size(trial->tasks)) {
        trial->stage = STAGE_JOB;
    } else {
        trial->at = 0;
        trial->stage = STAGE_RETRY;
    }
    next_stage(trial);
}

/* ---- The API server ---- */

static void on_dry_run(void *arg, const struct lx_kube_result *result)
{
    struct lx_trial *trial = arg;
    struct lx_err err = result->err;
    trial->kube_call = NULL;
    if (!result->ok && (err.code == LX_E_INVALID || err.code == LX_E_AUTH)) {
        lx_wrap(&err, "the API server refuses the Job in a dry run");
        fail(trial, &err);
        return;
    }
    if (!result->ok && err.code != LX_E_CONFLICT)
        lx_log(trial->opts.executor->log, LX_LOG_WARN, "dry run of a new policy left out",
               LX_ERR(&err));
    advance(trial);
}

static void dry_run(struct lx_trial *trial, json_t *plan)
{
    const struct lx_executor_opts *ex = trial->opts.executor;
    json_object_set_new(lx_json_obj(plan, "metadata"), "name", json_string(DRY_RUN_NAME));
    // rbac: batch/jobs create: LUNEXEC_POLICY_DRY_RUN
    trial->kube_call = lx_kube_dry_run(ex->kube, LX_KUBE_JOB, ex->ns, plan, 0, on_dry_run, trial);
}

/* ---- The functions ---- */

static void on_job(struct lx_trial *trial, bool defined, const json_t *results)
{
    lx_auto(json) json_t *plan = NULL;
    struct lx_grace grace;
    struct lx_err err;
    if (!defined) {
        lx_fail(&err, LX_E_REFUSED, "the policy has no function job()");
        fail(trial, &err);
    } else if (lx_grace_parse(results, &grace, &err) < 0 ||
               lx_manifests_try(trial->opts.executor, trial->opts.policy, argument(trial, "task"),
                                results, &plan, &err) < 0) {
        lx_wrap(&err, "job()");
        fail(trial, &err);
    } else if (trial->opts.dry_run) {
        dry_run(trial, plan);
    } else {
        advance(trial);
    }
}

/* That the policy refuses a job is its right. */
static void on_admit(struct lx_trial *trial, bool defined, const json_t *results)
{
    struct lx_claim claim = {0};
    struct lx_err err;
    if (lx_claim_read(defined ? json_array_get(results, 0) : NULL, NULL, &claim, &err) < 0 &&
        err.code != LX_E_REFUSED)
        fail(trial, &err);
    else
        advance(trial);
    lx_claim_done(&claim);
}

static void on_answer(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct lx_trial *trial = arg;
    trial->call = NULL;
    if (err)
        fail(trial, err);
    else if (trial->stage == STAGE_JOB)
        on_job(trial, defined, results);
    else if (trial->stage == STAGE_ADMIT)
        on_admit(trial, defined, results);
    else
        advance(trial);
}

static void call(struct lx_trial *trial, const char *function, json_t *args)
{
    trial->call = lx_policy_call(trial->opts.policy, function, args, on_answer, trial);
    json_decref(args);
}

static void next_stage(struct lx_trial *trial)
{
    const json_t *settings = trial->opts.executor->policy_settings;
    switch (trial->stage) {
    case STAGE_JOB:
        call(trial, "job", json_pack("[O, O]", argument(trial, "task"), settings));
        break;
    case STAGE_ADMIT:
        call(trial, "admit", json_pack("[O, O]", argument(trial, "job"), settings));
        break;
    case STAGE_RETRY:
        call(trial, "retry",
             json_pack("[{s:s, s:s, s:i}, O, O]", "reason", "Evicted", "message", "a trial",
                       "attempt", 1, argument(trial, "task"), settings));
        break;
    case STAGE_NETWORK:
        call(trial, "network", json_pack("[O]", settings));
        break;
    case STAGE_DONE:
        finish(trial, NULL);
        break;
    }
}

struct lx_trial *lx_trial_start(const struct lx_trial_opts *opts)
{
    struct lx_trial *trial = lx_alloc(sizeof *trial);
    trial->opts = *opts;
    trial->tasks = json_copy((json_t *)(uintptr_t)opts->tasks);
    lx_policy_ref(opts->policy);
    trial->stage = json_array_size(trial->tasks) > 0 ? STAGE_JOB : STAGE_NETWORK;
    next_stage(trial);
    return trial;
}

void lx_trial_free(struct lx_trial *trial)
{
    if (!trial)
        return;
    lx_policy_cancel(trial->call);
    lx_kube_cancel(trial->kube_call);
    lx_policy_free(trial->opts.policy);
    json_decref(trial->tasks);
    free(trial);
}
