/*
 * Rules about the Job itself: its shape, whose it is, how often and how long it runs.
 */
#include "lunexec/text.h"
#include "plan_rules.h"

#include <inttypes.h>
#include <stdio.h>

#define OUR_PREFIX "lunexec.dev/"
/* A finished Job must stay long enough for its end to be seen. */
#define TTL_MIN_S 60
/* How long a pod that is told to end may take; on top of its deadline. */
#define GRACE_MAX_S 300

/* ---- Shape ---- */

static int need_object(const json_t *parent, const char *key, const char *path,
                       const json_t **ret_object, struct lx_err *err)
{
    const json_t *value = json_object_get(parent, key);
    if (!json_is_object(value))
        return lx_plan_refuse_value(err, path, value, "expected an object");
    *ret_object = value;
    return 0;
}

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

/* Absent, or a list of objects. */
static int check_list(const json_t *parent, const char *key, const char *path, struct lx_err *err)
{
    char full[128];
    const json_t *list = json_object_get(parent, key);
    snprintf(full, sizeof full, "%s.%s", path, key);
    if (!is_absent(list) && !json_is_array(list))
        return lx_plan_refuse_value(err, full, list, "expected a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        snprintf(full, sizeof full, "%s.%s[%zu]", path, key, i);
        if (!json_is_object(item))
            return lx_plan_refuse_value(err, full, item, "expected an object");
    }
    return 0;
}

static int check_container_shape(struct lx_plan_view *view, const struct lx_plan_at *at,
                                 struct lx_err *err)
{
    (void)view;
    static const char *const lists[] = {"env", "envFrom", "ports", "volumeMounts"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (check_list(at->container, lists[i], at->path, err))
            return -1;
    const json_t *context = json_object_get(at->container, "securityContext");
    char path[96];
    snprintf(path, sizeof path, "%s.securityContext", at->path);
    if (!is_absent(context) && !json_is_object(context))
        return lx_plan_refuse_value(err, path, context, "expected an object");
    return 0;
}

/* Absent, or an object whose values are strings. */
static int check_strings(const json_t *metadata, const char *key, const char *path,
                         struct lx_err *err)
{
    char full[160];
    json_t *map = json_object_get(metadata, key);
    snprintf(full, sizeof full, "%s.%s", path, key);
    if (!is_absent(map) && !json_is_object(map))
        return lx_plan_refuse_value(err, full, map, "expected an object");
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it)) {
        snprintf(full, sizeof full, "%s.%s[\"%s\"]", path, key, json_object_iter_key(it));
        if (!json_is_string(json_object_iter_value(it)))
            return lx_plan_refuse_value(err, full, json_object_iter_value(it), "expected a string");
    }
    return 0;
}

static int check_metadata_shape(const json_t *metadata, const char *path, struct lx_err *err)
{
    if (check_strings(metadata, "labels", path, err))
        return -1;
    return check_strings(metadata, "annotations", path, err);
}

/* Also fills the view, for the rules that follow. */
static int check_shape(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *template = NULL;
    if (!json_is_object(view->job))
        return lx_plan_refuse_value(err, "the manifest", view->job, "expected an object");
    if (need_object(view->job, "metadata", "metadata", &view->metadata, err) ||
        need_object(view->job, "spec", "spec", &view->job_spec, err) ||
        need_object(view->job_spec, "template", "spec.template", &template, err) ||
        need_object(template, "spec", LX_PLAN_POD, &view->pod, err))
        return -1;
    view->pod_metadata = json_object_get(template, "metadata");
    if (is_absent(view->pod_metadata))
        view->pod_metadata = NULL;
    else if (!json_is_object(view->pod_metadata))
        return lx_plan_refuse_value(err, "spec.template.metadata", view->pod_metadata,
                                    "expected an object");
    if (check_metadata_shape(view->metadata, "metadata", err) ||
        check_metadata_shape(view->pod_metadata, "spec.template.metadata", err) ||
        check_list(view->pod, "initContainers", LX_PLAN_POD, err) ||
        check_list(view->pod, "containers", LX_PLAN_POD, err) ||
        check_list(view->pod, "volumes", LX_PLAN_POD, err))
        return -1;
    return lx_plan_each_container(view, check_container_shape, err);
}

/* ---- Whose it is ---- */

static int need_text(const json_t *object, const char *key, const char *path, const char *text,
                     struct lx_err *err)
{
    if (lx_streq(lx_json_str(object, key, NULL), text))
        return 0;
    char expected[320];
    snprintf(expected, sizeof expected, "expected \"%s\"", text);
    return lx_plan_refuse_value(err, path, json_object_get(object, key), expected);
}

static int check_kind(struct lx_plan_view *view, struct lx_err *err)
{
    if (need_text(view->job, "apiVersion", "apiVersion", "batch/v1", err))
        return -1;
    return need_text(view->job, "kind", "kind", "Job", err);
}

static int check_name(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *generated = json_object_get(view->metadata, "generateName");
    if (!is_absent(generated))
        return lx_plan_refuse_value(err, "metadata.generateName", generated, "expected none");
    return need_text(view->metadata, "name", "metadata.name", view->spec->name, err);
}

static int check_namespace(struct lx_plan_view *view, struct lx_err *err)
{
    if (is_absent(json_object_get(view->metadata, "namespace")))
        return 0;
    return need_text(view->metadata, "namespace", "metadata.namespace", view->spec->ns, err);
}

static bool is_our_label(const char *key)
{
    if (lx_streq(key, LX_LABEL_NETWORK))
        return false;
    return lx_starts_with(key, OUR_PREFIX) || lx_streq(key, LX_LABEL_MANAGED_BY) ||
           lx_starts_with(key, "batch.kubernetes.io/") || lx_streq(key, "job-name") ||
           lx_streq(key, "controller-uid");
}

static bool is_our_annotation(const char *key)
{
    return lx_starts_with(key, OUR_PREFIX);
}

static int check_keys(const json_t *metadata, const char *path, const char *which,
                      bool (*is_ours)(const char *key), struct lx_err *err)
{
    json_t *map = json_object_get(metadata, which);
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it)) {
        const char *key = json_object_iter_key(it);
        if (is_ours(key))
            return lx_plan_refuse(err, "%s.%s[\"%s\"] is the executor's to set", path, which, key);
    }
    return 0;
}

static int check_owner_of(const json_t *metadata, const char *path, struct lx_err *err)
{
    static const char *const fields[] = {"ownerReferences", "finalizers", "uid", "resourceVersion"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!is_absent(json_object_get(metadata, fields[i])))
            return lx_plan_refuse(err, "%s.%s is not a policy's to set", path, fields[i]);
    if (check_keys(metadata, path, "labels", is_our_label, err))
        return -1;
    return check_keys(metadata, path, "annotations", is_our_annotation, err);
}

static int check_owner(struct lx_plan_view *view, struct lx_err *err)
{
    if (check_owner_of(view->metadata, "metadata", err))
        return -1;
    return check_owner_of(view->pod_metadata, "spec.template.metadata", err);
}

/* ---- How often, how long ---- */

static int check_restart(struct lx_plan_view *view, struct lx_err *err)
{
    return need_text(view->pod, "restartPolicy", LX_PLAN_POD ".restartPolicy", "Never", err);
}

static int check_backoff(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *limit = json_object_get(view->job_spec, "backoffLimit");
    if (!json_is_integer(limit) || json_integer_value(limit) != 0)
        return lx_plan_refuse_value(err, "spec.backoffLimit", limit, "expected 0");
    return 0;
}

static int check_single(struct lx_plan_view *view, struct lx_err *err)
{
    static const char *const ones[] = {"parallelism", "completions"};
    static const char *const none[] = {"selector",      "manualSelector",       "podFailurePolicy",
                                       "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes",
                                       "managedBy"};
    char path[64];
    for (size_t i = 0; i < sizeof ones / sizeof ones[0]; i++) {
        const json_t *value = json_object_get(view->job_spec, ones[i]);
        snprintf(path, sizeof path, "spec.%s", ones[i]);
        if (!is_absent(value) && (!json_is_integer(value) || json_integer_value(value) != 1))
            return lx_plan_refuse_value(err, path, value, "expected 1 or none");
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (!is_absent(json_object_get(view->job_spec, none[i])))
            return lx_plan_refuse(err, "spec.%s is not a policy's to set", none[i]);
    const json_t *mode = json_object_get(view->job_spec, "completionMode");
    if (!is_absent(mode) && !lx_streq(json_string_value(mode), "NonIndexed"))
        return lx_plan_refuse_value(err, "spec.completionMode", mode,
                                    "expected \"NonIndexed\" or none");
    return 0;
}

static int check_deadline(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *deadline = json_object_get(view->pod, "activeDeadlineSeconds");
    int64_t max = view->spec->deadline_s;
    if (max <= 0)
        return 0;
    if (json_is_integer(deadline) && json_integer_value(deadline) > 0 &&
        json_integer_value(deadline) <= max)
        return 0;
    char expected[64];
    snprintf(expected, sizeof expected, "expected 1 to %" PRId64, max);
    return lx_plan_refuse_value(err, LX_PLAN_POD ".activeDeadlineSeconds", deadline, expected);
}

static int check_lifetime(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *ttl = json_object_get(view->job_spec, "ttlSecondsAfterFinished");
    const json_t *deadline = json_object_get(view->job_spec, "activeDeadlineSeconds");
    if (!is_absent(ttl) && (!json_is_integer(ttl) || json_integer_value(ttl) < TTL_MIN_S))
        return lx_plan_refuse_value(err, "spec.ttlSecondsAfterFinished", ttl,
                                    "expected 60 or more, or none");
    const json_t *grace = json_object_get(view->pod, "terminationGracePeriodSeconds");
    if (!is_absent(grace) && (!json_is_integer(grace) || json_integer_value(grace) < 0 ||
                              json_integer_value(grace) > GRACE_MAX_S))
        return lx_plan_refuse_value(err, LX_PLAN_POD ".terminationGracePeriodSeconds", grace,
                                    "expected 0 to 300, or none");
    if (!is_absent(deadline))
        return lx_plan_refuse_value(err, "spec.activeDeadlineSeconds", deadline,
                                    "expected none: the pod's deadline counts");
    return 0;
}

const struct lx_plan_rule lx_plan_job_rules[] = {
    {"manifest-shape", "what is not a Job cannot be checked", check_shape, false},
    {"job-kind", "the executor watches and deletes Jobs only", check_kind, false},
    {"job-name", "by its name a Job is found again and deleted", check_name, false},
    {"job-namespace", "the executor works in one namespace", check_namespace, false},
    {"owner-metadata", "labels and annotations of ours tell whose an object is", check_owner,
     false},
    {"restart-policy", "a step that ran twice would be reported once", check_restart, false},
    {"backoff-limit", "a second pod would run the job again unseen", check_backoff, false},
    {"single-run", "one Job is one pod, run once", check_single, false},
    {"deadline", "a job may not run longer than the settings say", check_deadline, false},
    {"lifetime", "a pod that goes too early takes its logs along, one that lingers its node",
     check_lifetime, true},
};
const size_t lx_plan_n_job_rules = sizeof lx_plan_job_rules / sizeof lx_plan_job_rules[0];
