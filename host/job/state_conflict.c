/*
 * CREATING, when an object of that name is there already. One that this run made (the answer to its
 * create was lost) is taken as made; one of an earlier run is deleted by its UID and waited for, so
 * that two attempts never run at once; any other is left alone, and the job fails.
 */
#include "job/priv.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

/* A leftover whose pod takes its time to end is waited for; it is looked at so often. */
#define GONE_PATIENCE_MS 120000
#define GONE_PAUSE_MS 500

/* What is in the way: the object of that name, or before it a Job of that job's, whose pod may
 * use the object and hold it. */
static struct lx_object *in_the_way(const struct lx_run *run)
{
    struct lx_object *next = lx_objects_next(&run->objects);
    lx_list_each (it, &run->objects) {
        struct lx_object *object = lx_container_of(it, struct lx_object, link);
        if (object->role == LX_OBJECT_JOB && !object->made && !run->conflict_job_gone)
            return object;
    }
    return next;
}

static void fail(struct lx_run *run, const struct lx_kube_result *result)
{
    const struct lx_object *object = in_the_way(run);
    /* It may be ours, its create not answered, so clean-up looks for it. */
    lx_objects_next(&run->objects)->unsure = true;
    lx_run_fail(run, lx_failure_of_answer(result->status, result->err.text),
                "creating %s %s, which is there already: %s", object->what, object->name,
                result->err.text);
}

/* The create is tried again after a pause. */
static void again(struct lx_run *run)
{
    lx_timer_start(run->wait, GONE_PAUSE_MS, 0);
}

static void on_leftover_deleted(void *arg, const struct lx_kube_result *result)
{
    struct lx_run *run = arg;
    run->kube_call = NULL;
    if (run->failure.kind != LX_FAIL_NONE)
        lx_run_go(run, LX_STATE_CLEANING);
    else if (!result->ok && result->err.code != LX_E_NOT_FOUND && result->err.code != LX_E_CONFLICT)
        fail(run, result);
    else
        again(run);
}

static void remove_leftover(struct lx_run *run, const struct lx_object *object, const char *uid)
{
    struct lx_kube_delete_opts opts = {
        .uid = uid, .propagation = "Foreground", .grace_seconds = -1};
    if (!run->conflict_told)
        lx_log(run->ex->opts.log, LX_LOG_INFO, "removing a leftover", LX_STR("job", run->job->uid),
               LX_STR("kind", object->what), LX_STR("name", object->name));
    run->conflict_told = true;
    // rbac: batch/jobs delete, secrets delete: a leftover of an earlier attempt
    // rbac optional: persistentvolumeclaims delete: the same, with KUBERNETES_JOB_VOLUME_TYPE=pvc
    run->kube_call = lx_kube_delete(run->ex->opts.kube, object->kind, run->ex->opts.ns,
                                    object->name, &opts, 0, on_leftover_deleted, run);
}

static void refuse(struct lx_run *run, const struct lx_object *object, const json_t *metadata)
{
    lx_auto(str) char *owner = lx_owner_text(metadata);
    lx_auto(str) char *text =
        lx_strf("creating %s %s: an object of that name is there already, and %s; delete it if "
                "nothing needs it, or give executors of different instances namespaces of their "
                "own",
                object->what, object->name, owner);
    lx_failure_restore(&run->failure, LX_FAIL_ADMISSION, text); /* without the class's advice */
    lx_run_end(run);
}

static void on_looked(void *arg, const struct lx_kube_result *result)
{
    struct lx_run *run = arg;
    struct lx_object *object = in_the_way(run);
    const json_t *metadata = lx_json_obj(result->object, "metadata");
    const char *uid = lx_json_str(metadata, "uid", NULL);
    run->kube_call = NULL;
    if (!result->ok && result->err.code != LX_E_NOT_FOUND) {
        fail(run, result);
        return;
    }
    enum lx_owner owner = uid ? lx_owner_of(run, metadata) : LX_OWNER_EARLIER;
    bool next = object == lx_objects_next(&run->objects);
    if (!next && (!result->ok || owner == LX_OWNER_RUN)) {
        run->conflict_job_gone = true;
        lx_run_conflict(run);
        return;
    }
    if (owner == LX_OWNER_RUN)
        lx_run_created(run, object, result->object);
    else if (run->failure.kind != LX_FAIL_NONE)
        lx_run_go(run, LX_STATE_CLEANING);
    else if (owner == LX_OWNER_OTHER)
        refuse(run, object, metadata);
    else if (uid)
        remove_leftover(run, object, uid);
    else
        again(run);
}

void lx_run_conflict_over(struct lx_run *run)
{
    run->conflict_until_ms = 0;
    run->conflict_told = run->conflict_job_gone = false;
}

void lx_run_conflict(struct lx_run *run)
{
    const struct lx_object *object = in_the_way(run);
    uint64_t now = lx_now_ms();
    if (run->conflict_until_ms == 0)
        run->conflict_until_ms = now + GONE_PATIENCE_MS;
    if (now >= run->conflict_until_ms) {
        lx_run_fail(run, LX_FAIL_API,
                    "creating %s %s: a leftover of that name has been deleted and does not go away",
                    object->what, object->name);
        return;
    }
    // rbac: batch/jobs delete, secrets delete: whose an object is that has the name already
    // rbac optional: persistentvolumeclaims delete: KUBERNETES_JOB_VOLUME_TYPE=pvc
    run->kube_call = lx_kube_look(run->ex->opts.kube, object->kind, run->ex->opts.ns, object->name,
                                  0, on_looked, run);
}
