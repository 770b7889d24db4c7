/*
 * The job controller and the garbage collector.
 */
#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include <string.h>

/* ---- later ---- */

struct later {
    struct lx_list link;
    struct lx_cluster *c;
    struct lx_timer *timer;
    void (*fn)(struct lx_cluster *, char *key);
    char *key;
};

static void later_free(struct later *later)
{
    lx_list_remove(&later->link);
    lx_timer_free(later->timer);
    free(later->key);
    free(later);
}

static void later_due(void *arg)
{
    struct later *later = arg;
    struct lx_cluster *c = later->c;
    void (*fn)(struct lx_cluster *, char *) = later->fn;
    lx_auto(str) char *key = lx_take(later->key);
    later_free(later);
    fn(c, key);
}

void lx_later(struct lx_cluster *c, uint64_t delay_ms, void (*fn)(struct lx_cluster *, char *key),
              const char *key)
{
    struct later *later = lx_alloc(sizeof *later);
    later->c = c;
    later->fn = fn;
    later->key = lx_strdup(key);
    later->timer = lx_timer_new(c->loop, later_due, later);
    lx_list_init(&later->link);
    lx_list_push(&c->timers, &later->link);
    lx_timer_start(later->timer, delay_ms, 0);
}

void lx_later_stop(struct lx_cluster *c)
{
    lx_list_each (it, &c->timers)
        later_free(lx_container_of(it, struct later, link));
}

static struct lx_obj *by_uid(struct lx_cluster *c, const char *uid)
{
    lx_list_each (it, &c->objects) {
        struct lx_obj *obj = lx_container_of(it, struct lx_obj, link);
        if (lx_streq(obj->uid, uid))
            return obj;
    }
    return NULL;
}

/* ---- the pod of a job ---- */

static void set_labels(json_t *meta, const char *job, const char *uid)
{
    if (!lx_json_obj(meta, "labels"))
        json_object_set_new(meta, "labels", json_object());
    json_t *labels = lx_json_obj(meta, "labels");
    json_object_set_new(labels, "batch.kubernetes.io/controller-uid", json_string(uid));
    json_object_set_new(labels, "batch.kubernetes.io/job-name", json_string(job));
    json_object_set_new(labels, "controller-uid", json_string(uid));
    json_object_set_new(labels, "job-name", json_string(job));
}

static json_t *pod_of(const struct lx_obj *job)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    const json_t *tmpl = lx_json_path(job->json, "spec.template");
    json_t *meta = json_deep_copy(lx_json_obj(tmpl, "metadata"));
    if (!meta)
        meta = json_object();
    struct lx_rand rand;
    char suffix[6] = {0};
    lx_rand_init(&rand, 0);
    for (size_t i = 0; i < 5; i++)
        suffix[i] = alphabet[lx_rand_below(&rand, sizeof alphabet - 1)];
    size_t base = strlen(job->name) > 57 ? 57 : strlen(job->name);
    json_object_set_new(meta, "name", json_sprintf("%.*s-%s", (int)base, job->name, suffix));
    json_object_set_new(meta, "generateName", json_sprintf("%s-", job->name));
    set_labels(meta, job->name, job->uid);
    json_object_set_new(meta, "ownerReferences",
                        json_pack("[{s:s,s:s,s:s,s:s,s:b,s:b}]", "apiVersion", "batch/v1", "kind",
                                  "Job", "name", job->name, "uid", job->uid, "controller", 1,
                                  "blockOwnerDeletion", 1));
    json_t *spec = json_deep_copy(lx_json_obj(tmpl, "spec"));
    if (!json_object_get(spec, "serviceAccountName"))
        json_object_set_new(spec, "serviceAccountName", json_string("default"));
    return json_pack("{s:s,s:s,s:o,s:o,s:{s:s}}", "kind", "Pod", "apiVersion", "v1", "metadata",
                     meta, "spec", spec, "status", "phase", "Pending");
}

static void set_condition(struct lx_obj *job, const char *type, const char *reason,
                          const char *message)
{
    json_t *status = lx_json_obj(job->json, "status");
    if (!lx_json_arr(status, "conditions"))
        json_object_set_new(status, "conditions", json_array());
    json_t *condition =
        json_pack("{s:s,s:s,s:o,s:o}", "type", type, "status", "True", "lastProbeTime",
                  lx_time_json(lx_wall()), "lastTransitionTime", lx_time_json(lx_wall()));
    if (reason) {
        json_object_set_new(condition, "reason", json_string(reason));
        json_object_set_new(condition, "message", json_string(message));
    }
    json_array_append_new(lx_json_arr(status, "conditions"), condition);
}

static bool job_over(const struct lx_obj *job)
{
    return json_array_size(lx_json_path(job->json, "status.conditions")) > 0;
}

static void delete_pods_of(struct lx_cluster *c, const char *uid);

static void job_deadline(struct lx_cluster *c, char *uid)
{
    struct lx_obj *job = by_uid(c, uid);
    if (!job || job_over(job))
        return;
    set_condition(job, "Failed", "DeadlineExceeded",
                  "Job was active longer than specified deadline");
    lx_store_changed(c, job);
    delete_pods_of(c, uid);
}

static void make_pod(struct lx_cluster *c, char *uid)
{
    struct lx_obj *job = by_uid(c, uid);
    if (!job || lx_json_str(lx_meta(job), "deletionTimestamp", NULL))
        return;
    struct lx_obj *pod = lx_store_add(c, LX_KIND_POD, job->ns, pod_of(job));
    json_object_set_new(
        job->json, "status",
        json_pack("{s:i,s:i,s:o}", "active", 1, "ready", 0, "startTime", lx_time_json(lx_wall())));
    lx_store_changed(c, job);
    int64_t deadline = lx_json_int(lx_json_obj(job->json, "spec"), "activeDeadlineSeconds", 0);
    if (deadline > 0)
        lx_later(c, (uint64_t)deadline * 1000, job_deadline, uid);
    if (pod)
        lx_kubelet_start(c, pod);
}

void lx_jobctl_added(struct lx_cluster *c, struct lx_obj *job)
{
    json_t *spec = lx_json_obj(job->json, "spec");
    json_t *tmpl = lx_json_obj(spec, "template");
    if (!lx_json_obj(tmpl, "metadata"))
        json_object_set_new(tmpl, "metadata", json_object());
    set_labels(lx_json_obj(tmpl, "metadata"), job->name, job->uid);
    json_object_set_new(
        spec, "selector",
        json_pack("{s:{s:s}}", "matchLabels", "batch.kubernetes.io/controller-uid", job->uid));
    json_object_set_new(job->json, "status", json_object());
    lx_later(c, 2, make_pod, job->uid);
}

static void expire(struct lx_cluster *c, char *uid)
{
    struct lx_obj *job = by_uid(c, uid);
    if (job)
        lx_jobctl_delete(c, job, "Background");
}

void lx_jobctl_pod_ended(struct lx_cluster *c, struct lx_obj *pod)
{
    struct lx_obj *job = NULL;
    size_t i;
    const json_t *owner;
    json_array_foreach (lx_json_arr(lx_meta(pod), "ownerReferences"), i, owner)
        job = job ? job : by_uid(c, lx_json_str(owner, "uid", ""));
    if (!job || job_over(job))
        return;
    bool ok = pod->run->phase == LX_PHASE_SUCCEEDED;
    json_t *status = lx_json_obj(job->json, "status");
    json_object_del(status, "active");
    json_object_set_new(status, ok ? "succeeded" : "failed", json_integer(1));
    if (ok) {
        json_object_set_new(status, "completionTime", lx_time_json(lx_wall()));
        set_condition(job, "Complete", NULL, NULL);
    } else {
        set_condition(job, "Failed", "BackoffLimitExceeded",
                      "Job has reached the specified backoff limit");
    }
    lx_store_changed(c, job);
    const json_t *ttl = lx_json_path(job->json, "spec.ttlSecondsAfterFinished");
    if (json_is_integer(ttl))
        lx_later(c, (uint64_t)json_integer_value(ttl) * 1000, expire, job->uid);
}

/* ---- deletion ---- */

static bool owned_by(const struct lx_obj *obj, const char *uid)
{
    size_t i;
    const json_t *owner;
    json_array_foreach (lx_json_arr(lx_meta(obj), "ownerReferences"), i, owner) {
        if (lx_streq(lx_json_str(owner, "uid", ""), uid))
            return true;
    }
    return false;
}

static void delete_pods_of(struct lx_cluster *c, const char *uid)
{
    lx_list_each (it, &c->objects) {
        struct lx_obj *obj = lx_container_of(it, struct lx_obj, link);
        if (obj->kind == LX_KIND_POD && owned_by(obj, uid))
            lx_later(c, 0, expire, obj->uid);
    }
}

static void finish_foreground(struct lx_cluster *c, char *uid)
{
    struct lx_obj *job = by_uid(c, uid);
    if (!job)
        return;
    lx_list_each (it, &c->objects) {
        if (owned_by(lx_container_of(it, struct lx_obj, link), uid)) {
            lx_later(c, 10, finish_foreground, uid);
            return;
        }
    }
    lx_store_remove(c, job);
}

static void orphan(struct lx_cluster *c, const char *uid)
{
    lx_list_each (it, &c->objects) {
        struct lx_obj *obj = lx_container_of(it, struct lx_obj, link);
        if (owned_by(obj, uid)) {
            json_object_del(lx_meta(obj), "ownerReferences");
            lx_store_changed(c, obj);
        }
    }
}

void lx_jobctl_delete(struct lx_cluster *c, struct lx_obj *obj, const char *propagation)
{
    if (obj->kind == LX_KIND_POD) {
        lx_kubelet_delete(obj);
        return;
    }
    if (obj->kind == LX_KIND_JOB && lx_streq(propagation, "Foreground")) {
        json_t *meta = lx_meta(obj);
        json_object_set_new(meta, "deletionTimestamp", lx_time_json(lx_wall()));
        json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(0));
        json_object_set_new(meta, "finalizers", json_pack("[s]", "foregroundDeletion"));
        lx_store_changed(c, obj);
        delete_pods_of(c, obj->uid);
        lx_later(c, 10, finish_foreground, obj->uid);
        return;
    }
    if (lx_streq(propagation, "Orphan"))
        orphan(c, obj->uid);
    lx_store_remove(c, obj);
}

static void collect(struct lx_cluster *c, char *owner_uid)
{
    lx_list_each (it, &c->objects) {
        struct lx_obj *obj = lx_container_of(it, struct lx_obj, link);
        if (owned_by(obj, owner_uid))
            lx_later(c, 0, expire, obj->uid);
    }
}

void lx_jobctl_collect(struct lx_cluster *c, const char *owner_uid)
{
    lx_later(c, 5, collect, owner_uid);
}
