/*
 * CREATING: Secrets, volume claim, Job (contract 6.2), and what the Job owns. Names are
 * deterministic, so there may be an object of that name already: state_conflict.c.
 */
#include "job/priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

/* An API server that restarts is waited for; the job's own time ends every wait. */
#define CREATE_PATIENCE_MS 300000

/* The frontend gives a job to another executor when it has not heard of it for 25 s. What we made
 * after that could run beside what the other one makes. */
#define HEARD_MS 20000
#define UNHEARD_PAUSE_MS 500

/* How long the answer to a create is waited for once the job is to end. */
#define ANSWER_PATIENCE_MS 10000

/* A create that is underway may take effect whatever we do, so its answer is waited for, though not
 * for long. */
void lx_event_creating(struct lx_run *run, enum lx_run_event event)
{
    if (run->kube_call && event != LX_EVENT_TIMEOUT) {
        lx_timer_start(run->state_timer, lx_run_patience(run, ANSWER_PATIENCE_MS), 0);
        return;
    }
    struct lx_object *object = lx_objects_next(&run->objects);
    if (run->kube_call && object)
        object->unsure = true;
    lx_run_go(run, LX_STATE_CLEANING);
}

/* Registry credentials are a help that the original does not give: an account that may not make
 * Secrets gets on without. */
static bool is_dispensable(const struct lx_object *object, const struct lx_err *err)
{
    return object->role == LX_OBJECT_PULL_SECRET && err->code == LX_E_AUTH;
}

void lx_run_created(struct lx_run *run, struct lx_object *object, const json_t *answer)
{
    object->made = true;
    lx_run_conflict_over(run);
    free(object->uid);
    object->uid = lx_strdup(lx_json_str(lx_json_obj(answer, "metadata"), "uid", NULL));
    if (object->role == LX_OBJECT_JOB) {
        free(run->job_uid);
        run->job_uid = lx_strdup(object->uid ? object->uid : "");
    }
    lx_record_run(run);
    if (run->failure.kind == LX_FAIL_NONE)
        lx_state_creating(run);
    else
        lx_run_go(run, LX_STATE_CLEANING);
}

static void on_created(void *arg, const struct lx_kube_result *result)
{
    struct lx_run *run = arg;
    struct lx_object *object = lx_objects_next(&run->objects);
    run->kube_call = NULL;
    lx_assert(object);
    if (object->role == LX_OBJECT_JOB)
        lx_job_metrics_command(run->ex->metrics, "kubernetes.job.create", result->ok,
                               lx_now_ms() - run->call_ms);
    if (result->ok) {
        lx_run_created(run, object, result->object);
    } else if (is_dispensable(object, &result->err)) {
        lx_log(run->ex->opts.log, LX_LOG_WARN, "no image pull secret for the job",
               LX_STR("job", run->job->uid), LX_ERR(&result->err));
        object->gone = true;
        lx_run_created(run, object, NULL);
    } else if (lx_streq(result->reason, "AlreadyExists")) {
        lx_run_conflict(run);
    } else {
        /* It may have been made all the same, so clean-up looks for it. */
        object->unsure = true;
        lx_run_fail(run, lx_failure_of_answer(result->status, result->err.text),
                    "creating %s %s: %s", object->what, object->name, result->err.text);
    }
}

/* Whether the frontend still counts the job as ours, as far as is known. */
static bool is_ours(const struct lx_run *run)
{
    return lx_now_ms() - run->heard_ms < HEARD_MS;
}

static void wait_to_be_heard(struct lx_run *run)
{
    if (!run->unheard)
        lx_log(run->ex->opts.log, LX_LOG_WARN,
               "nothing is made for a job before the frontend answers a heartbeat again",
               LX_STR("job", run->job->uid));
    run->unheard = true;
    lx_timer_start(run->wait, UNHEARD_PAUSE_MS, 0);
}

void lx_state_creating(struct lx_run *run)
{
    struct lx_executor *ex = run->ex;
    struct lx_err err;
    const struct lx_object *object = lx_objects_next(&run->objects);
    lx_watch_resume(ex->watch);
    if (!object) {
        run->complete = true;
        lx_run_go(run, LX_STATE_PENDING);
        return;
    }
    if (!is_ours(run)) {
        wait_to_be_heard(run);
        return;
    }
    run->unheard = false;
    struct lx_manifests manifests = lx_run_manifests(run);
    lx_auto(json) json_t *manifest =
        lx_manifests_object(&manifests, object, run->manifest, run->job_uid, &err);
    if (!manifest) {
        lx_run_fail(run, LX_FAIL_INTERNAL, "%s", err.text);
        return;
    }
    run->call_ms = lx_now_ms();
    // rbac: batch/jobs create, secrets create: the job, and the token it clones with
    // rbac optional: persistentvolumeclaims create: KUBERNETES_JOB_VOLUME_TYPE=pvc
    run->kube_call = lx_kube_create(ex->opts.kube, object->kind, ex->opts.ns, manifest,
                                    lx_now_ms() + CREATE_PATIENCE_MS, on_created, run);
}
