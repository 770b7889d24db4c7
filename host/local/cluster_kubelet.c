/*
 * The life of a pod: a node, init containers one after another, then the containers, a verdict.
 */
#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/text.h"

#include <signal.h>
#include <string.h>

#define RETRY_MS 500 /* a missing Secret or claim is looked for again */

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = lx_strdup(value);
}

static void publish(struct lx_pod_run *run)
{
    json_object_set_new(run->pod->json, "status", lx_kubelet_status(run));
    lx_store_changed(run->c, run->pod);
}

static bool over(const struct lx_pod_run *run)
{
    return run->phase == LX_PHASE_SUCCEEDED || run->phase == LX_PHASE_FAILED;
}

static bool any_running(const struct lx_pod_run *run)
{
    for (size_t i = 0; i < run->n_ctrs; i++) {
        if (run->ctrs[i].state == LX_CTR_RUNNING)
            return true;
    }
    return false;
}

static void kill_all(struct lx_pod_run *run)
{
    for (size_t i = 0; i < run->n_ctrs; i++) {
        if (run->ctrs[i].state == LX_CTR_RUNNING)
            lx_child_kill(run->ctrs[i].child, SIGKILL);
    }
}

static void finish(struct lx_pod_run *run, enum lx_phase phase)
{
    run->phase = phase;
    lx_timer_stop(run->step);
    lx_timer_stop(run->deadline);
    publish(run);
    lx_jobctl_pod_ended(run->c, run->pod);
}

/* ---- one container ---- */

static bool pull_fails(const struct lx_ctr *ctr)
{
    const char *bad = ctr->run->c->knobs.pull_fail;
    return bad && strstr(lx_json_str(ctr->spec, "image", ""), bad);
}

static void wait_because(struct lx_ctr *ctr, const char *reason, const char *message)
{
    bool news = !lx_streq(ctr->reason, reason);
    set_text(&ctr->reason, reason);
    set_text(&ctr->message, message);
    if (news)
        publish(ctr->run);
    lx_timer_start(ctr->run->step, RETRY_MS, 0);
}

/* What a runtime reports when the process cannot be started at all. */
static void fail_to_start(struct lx_ctr *ctr, const char *message)
{
    ctr->state = LX_CTR_TERMINATED;
    ctr->exit_code = 128;
    ctr->started = ctr->finished = lx_wall();
    set_text(&ctr->reason, "StartError");
    set_text(&ctr->message, message);
    lx_timer_start(ctr->run->step, 0, 0);
}

/* True when it runs or has failed for good. */
static bool start_container(struct lx_ctr *ctr)
{
    struct lx_pod_run *run = ctr->run;
    struct lx_err err = {0};
    if (pull_fails(ctr)) {
        bool again = lx_streq(ctr->reason, "ErrImagePull");
        wait_because(
            ctr, again ? "ImagePullBackOff" : "ErrImagePull",
            "rpc error: code = NotFound desc = failed to pull and unpack image: not found");
        return false;
    }
    if (!ctr->log) {
        lx_auto(str) char *path = lx_strf("%s/%s.log", run->dir, ctr->name);
        if (lx_ctr_log_new(run->c, path, &ctr->log, &err)) {
            fail_to_start(ctr, err.text);
            return true;
        }
    }
    if (lx_ctr_start(ctr, &err)) {
        if (err.code == LX_E_NOT_FOUND) {
            wait_because(ctr, "CreateContainerConfigError", err.text);
            return false;
        }
        fail_to_start(ctr, err.text);
        return true;
    }
    ctr->state = LX_CTR_RUNNING;
    ctr->started = lx_wall();
    (void)lx_ctr_id(ctr);
    set_text(&ctr->reason, NULL);
    set_text(&ctr->message, NULL);
    return true;
}

void lx_kubelet_exited(struct lx_ctr *ctr, int64_t status, int signum)
{
    struct lx_pod_run *run = ctr->run;
    lx_child_free(lx_take(ctr->child));
    lx_ctr_log_close(ctr->log);
    ctr->state = LX_CTR_TERMINATED;
    ctr->finished = lx_wall();
    ctr->exit_code = signum ? 128 + signum : status;
    set_text(&ctr->reason, ctr->exit_code == 0 ? "Completed" : "Error");
    if (run->deleting && !any_running(run)) {
        struct lx_cluster *c = run->c;
        if (!over(run))
            finish(run, LX_PHASE_FAILED);
        lx_store_remove(c, run->pod);
        return;
    }
    if (!over(run))
        lx_timer_start(run->step, 0, 0);
    publish(run);
}

/* ---- the pod, step by step ---- */

static bool schedule(struct lx_pod_run *run)
{
    const char *missing = lx_kubelet_volume_missing_claim(run);
    if (missing) {
        lx_auto(str) char *why =
            lx_strf("0/1 nodes are available: persistentvolumeclaim \"%s\" not "
                    "found.",
                    missing);
        if (!lx_streq(run->unscheduled, why)) {
            set_text(&run->unscheduled, why);
            publish(run);
        }
        lx_timer_start(run->step, RETRY_MS, 0);
        return false;
    }
    set_text(&run->unscheduled, NULL);
    run->scheduled = true;
    run->started = run->scheduled_at = lx_wall();
    json_object_set_new(lx_json_obj(run->pod->json, "spec"), "nodeName",
                        json_string("lunexec-local"));
    publish(run);
    int64_t seconds = lx_json_int(lx_json_obj(run->pod->json, "spec"), "activeDeadlineSeconds", 0);
    if (seconds > 0)
        lx_timer_start(run->deadline, (uint64_t)seconds * 1000, 0);
    lx_timer_start(run->step, run->c->knobs.pull_delay_ms, 0);
    return false;
}

/* The next init container that has not run; NULL when all are done. Sets *ret_failed when one of
 * them failed: none follows it then. */
static struct lx_ctr *next_init(struct lx_pod_run *run, bool *ret_failed)
{
    for (size_t i = 0; i < run->n_init; i++) {
        struct lx_ctr *ctr = &run->ctrs[i];
        if (ctr->state == LX_CTR_TERMINATED && ctr->exit_code != 0)
            *ret_failed = true;
        if (ctr->state != LX_CTR_TERMINATED || *ret_failed)
            return ctr;
    }
    return NULL;
}

static void start_main(struct lx_pod_run *run)
{
    run->initialized = true;
    size_t ended = 0;
    bool failed = false, changed = false;
    for (size_t i = run->n_init; i < run->n_ctrs; i++) {
        struct lx_ctr *ctr = &run->ctrs[i];
        if (ctr->state == LX_CTR_WAITING && start_container(ctr))
            changed = true;
        if (ctr->state != LX_CTR_WAITING)
            run->phase = LX_PHASE_RUNNING;
        if (ctr->state == LX_CTR_TERMINATED) {
            ended++;
            failed = failed || ctr->exit_code != 0;
        }
    }
    if (ended == run->n_ctrs - run->n_init)
        finish(run, failed ? LX_PHASE_FAILED : LX_PHASE_SUCCEEDED);
    else if (changed)
        publish(run);
}

static void step(void *arg)
{
    struct lx_pod_run *run = arg;
    bool failed = false;
    if (over(run) || run->deleting)
        return;
    if (!run->scheduled && !schedule(run))
        return;
    struct lx_ctr *init = next_init(run, &failed);
    if (failed) {
        finish(run, LX_PHASE_FAILED);
    } else if (init && init->state == LX_CTR_WAITING) {
        if (start_container(init))
            publish(run);
    } else if (!init) {
        start_main(run);
    }
}

static void past_deadline(void *arg)
{
    struct lx_pod_run *run = arg;
    if (over(run) || run->deleting)
        return;
    set_text(&run->reason, "DeadlineExceeded");
    set_text(&run->message, "Pod was active on the node longer than the specified deadline");
    finish(run, LX_PHASE_FAILED);
    kill_all(run);
}

/* ---- made and gone ---- */

static void fill(struct lx_pod_run *run, const json_t *list, bool init, size_t at)
{
    size_t i;
    json_t *spec;
    json_array_foreach (list, i, spec) {
        struct lx_ctr *ctr = &run->ctrs[at + i];
        ctr->run = run;
        ctr->spec = spec;
        ctr->name = lx_json_str(spec, "name", "");
        ctr->init = init;
        ctr->reason = lx_strdup(run->n_init ? "PodInitializing" : "ContainerCreating");
    }
}

void lx_kubelet_start(struct lx_cluster *c, struct lx_obj *pod)
{
    const json_t *spec = lx_json_obj(pod->json, "spec");
    const json_t *inits = lx_json_arr(spec, "initContainers");
    const json_t *mains = lx_json_arr(spec, "containers");
    struct lx_pod_run *run = lx_alloc(sizeof *run);
    struct lx_err err = {0};
    run->c = c;
    run->pod = pod;
    run->n_init = json_array_size(inits);
    run->n_ctrs = run->n_init + json_array_size(mains);
    run->ctrs = lx_alloc_array(run->n_ctrs, sizeof *run->ctrs);
    run->dir = lx_strf("%s/pods/%s", c->root, pod->uid);
    run->step = lx_timer_new(c->loop, step, run);
    run->deadline = lx_timer_new(c->loop, past_deadline, run);
    fill(run, inits, true, 0);
    fill(run, mains, false, run->n_init);
    pod->run = run;
    if (lx_mkdirs(run->dir, 0700, &err)) {
        set_text(&run->message, err.text);
        finish(run, LX_PHASE_FAILED);
        return;
    }
    publish(run);
    lx_timer_start(run->step, c->knobs.schedule_delay_ms, 0);
}

void lx_kubelet_delete(struct lx_obj *pod)
{
    struct lx_pod_run *run = pod->run;
    if (run->deleting)
        return;
    if (!any_running(run)) {
        struct lx_cluster *c = run->c;
        if (!over(run))
            finish(run, LX_PHASE_FAILED);
        lx_store_remove(c, pod);
        return;
    }
    run->deleting = true;
    json_object_set_new(lx_meta(pod), "deletionTimestamp", lx_time_json(lx_wall()));
    json_object_set_new(lx_meta(pod), "deletionGracePeriodSeconds", json_integer(0));
    publish(run);
    kill_all(run);
}

void lx_kubelet_free(struct lx_pod_run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->n_ctrs; i++) {
        struct lx_ctr *ctr = &run->ctrs[i];
        lx_child_free(ctr->child);
        lx_ctr_log_free(ctr->log);
        free(ctr->reason);
        free(ctr->message);
    }
    lx_timer_free(run->step);
    lx_timer_free(run->deadline);
    if (!run->c->keep)
        (void)lx_remove_tree(run->dir, NULL);
    free(run->ctrs);
    free(run->unscheduled);
    free(run->reason);
    free(run->message);
    free(run->dir);
    free(run);
}
