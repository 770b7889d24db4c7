/*
 * CREATING: Secret, then volume claim, then Job (contract 6.2). Names are deterministic, so what
 * exists under one of them is the leftover of an earlier try: it is deleted and made anew.
 */
#include "job/priv.h"

#include "lunexec/clock.h"
#include "lunexec/plan.h"
#include "lunexec/text.h"

/* How often, and how long apart, a leftover is asked to go away. */
#define CONFLICT_TRIES 60
#define CONFLICT_PAUSE_MS 500

struct step {
    enum lx_kube_kind kind;
    const char *what;
    const char *name;
    bool *made;
};

/* The first object that is still to be made; false when all are there. */
static bool next_object(struct lx_run *run, struct step *step)
{
    const struct lx_workload *w = run->workload;
    if (!run->secret_made)
        *step = (struct step){LX_KUBE_SECRET, "secret", w->secret_name, &run->secret_made};
    else if (lx_streq(run->ex->opts.volume_type, "pvc") && !run->claim_made)
        *step = (struct step){LX_KUBE_PVC, "volume claim", w->volume_name, &run->claim_made};
    else if (!run->job_made)
        *step = (struct step){LX_KUBE_JOB, "job", w->job_name, &run->job_made};
    else
        return false;
    return true;
}

static json_t *manifest_of(struct lx_run *run, enum lx_kube_kind kind, struct lx_err *err)
{
    const struct lx_executor_opts *opts = &run->ex->opts;
    json_t *object;
    if (kind == LX_KUBE_JOB)
        return json_incref(run->manifest);
    if (kind == LX_KUBE_SECRET)
        object = lx_workload_secret(run->workload, opts->ns);
    else
        object = lx_workload_claim(run->workload, opts->ns, opts->volume_size);
    struct lx_plan_container *containers = NULL;
    struct lx_plan_spec spec = lx_run_plan_spec(run, &containers);
    int result = lx_plan_label(json_object_get(object, "metadata"), &spec, err);
    free(containers);
    if (result < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void on_leftover_deleted(void *arg, const struct lx_kube_result *result)
{
    struct lx_run *run = arg;
    run->kube_call = NULL;
    if (!result->ok && result->err.code != LX_E_NOT_FOUND) {
        lx_run_fail(run, LX_FAIL_CLUSTER, "removing a leftover of job %s: %s",
                    run->workload->job_name, result->err.text);
        return;
    }
    lx_timer_start(run->wait, CONFLICT_PAUSE_MS, 0);
}

static void remove_leftover(struct lx_run *run, const struct step *step)
{
    static const struct lx_kube_delete_opts opts = {.grace_seconds = -1};
    lx_log(run->ex->opts.log, LX_LOG_INFO, "removing a leftover", LX_STR("job", run->job->uid),
           LX_STR("kind", step->what), LX_STR("name", step->name));
    run->kube_call = lx_kube_delete(run->ex->opts.kube, step->kind, run->ex->opts.ns, step->name,
                                    &opts, 0, on_leftover_deleted, run);
}

/* A create that is underway may take effect whatever we do, so its answer is waited for. */
void lx_event_creating(struct lx_run *run, enum lx_run_event event)
{
    (void)event;
    if (!run->kube_call)
        lx_run_go(run, LX_STATE_CLEANING);
}

static void on_created(void *arg, const struct lx_kube_result *result)
{
    struct lx_run *run = arg;
    struct step step = {0};
    run->kube_call = NULL;
    lx_assert(next_object(run, &step));
    if (step.kind == LX_KUBE_JOB)
        lx_job_metrics_command(run->ex->metrics, "kubernetes.job.create", result->ok,
                               lx_now_ms() - run->call_ms);
    if (result->ok) {
        *step.made = true;
        run->attempts = 0;
        if (step.kind == LX_KUBE_JOB)
            run->job_uid =
                lx_strdup(lx_json_str(lx_json_obj(result->object, "metadata"), "uid", ""));
        if (run->failure.kind == LX_FAIL_NONE)
            lx_state_creating(run);
        else
            lx_run_go(run, LX_STATE_CLEANING);
    } else if (result->err.code == LX_E_CONFLICT && run->failure.kind == LX_FAIL_NONE &&
               ++run->attempts < CONFLICT_TRIES) {
        remove_leftover(run, &step);
    } else {
        /* It may have been made all the same, so clean-up looks for it. */
        *step.made = true;
        lx_run_fail(run, LX_FAIL_CLUSTER, "creating %s %s: %s", step.what, step.name,
                    result->err.text);
    }
}

void lx_state_creating(struct lx_run *run)
{
    struct lx_executor *ex = run->ex;
    struct step step;
    struct lx_err err;
    lx_watch_resume(ex->watch);
    if (!next_object(run, &step)) {
        lx_run_go(run, LX_STATE_PENDING);
        return;
    }
    lx_auto(json) json_t *object = manifest_of(run, step.kind, &err);
    if (!object) {
        lx_run_fail(run, LX_FAIL_CLUSTER, "%s", err.text);
        return;
    }
    run->call_ms = lx_now_ms();
    run->kube_call =
        lx_kube_create(ex->opts.kube, step.kind, ex->opts.ns, object, 0, on_created, run);
}
