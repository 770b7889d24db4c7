#include "lunexec/mem.h"
#include "lunexec/plan.h"
#include "lunexec/text.h"

#include <inttypes.h>
#include <stdio.h>

void lx_executor_label(const char *executor, char out[LX_EXECUTOR_LABEL_SIZE])
{
    /* FNV-1a with 64 bits: short, stable, and nobody gains by a collision with himself. */
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = executor; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    snprintf(out, LX_EXECUTOR_LABEL_SIZE, "%016" PRIx64, hash);
}

static int no_memory(struct lx_err *err)
{
    return lx_fail(err, LX_E_IO, "out of memory");
}

/* The member, made an object if it is none; borrowed. */
static json_t *object_in(json_t *parent, const char *key)
{
    json_t *object = json_object_get(parent, key);
    if (json_is_object(object))
        return object;
    object = json_object();
    return json_object_set_new(parent, key, object) ? NULL : object;
}

int lx_plan_label(json_t *metadata, const struct lx_plan_spec *spec, struct lx_err *err)
{
    char id[24], attempt[24], executor[LX_EXECUTOR_LABEL_SIZE];
    snprintf(id, sizeof id, "%" PRId64, spec->job_id);
    snprintf(attempt, sizeof attempt, "%u", spec->attempt);
    lx_executor_label(spec->executor, executor);
    json_t *labels = object_in(metadata, "labels");
    json_t *annotations = object_in(metadata, "annotations");
    if (!labels || !annotations)
        return no_memory(err);
    if (json_object_set_new(labels, LX_LABEL_MANAGED_BY, json_string(LX_LABEL_MANAGED_BY_VALUE)) ||
        json_object_set_new(labels, LX_LABEL_QUEUE, json_string(spec->queue ? spec->queue : "")) ||
        json_object_set_new(labels, LX_LABEL_JOB_ID, json_string(id)) ||
        json_object_set_new(labels, LX_LABEL_EXECUTOR, json_string(executor)) ||
        json_object_set_new(annotations, LX_ANNOTATION_EXECUTOR, json_string(spec->executor)) ||
        json_object_set_new(annotations, LX_ANNOTATION_POLICY,
                            json_string(spec->policy_hash ? spec->policy_hash : "")))
        return no_memory(err);
    if (spec->frontend &&
        json_object_set_new(annotations, LX_ANNOTATION_FRONTEND, json_string(spec->frontend)))
        return no_memory(err);
    if (spec->run && json_object_set_new(annotations, LX_ANNOTATION_RUN, json_string(spec->run)))
        return no_memory(err);
    if (spec->attempt > 1 && json_object_set_new(labels, LX_LABEL_ATTEMPT, json_string(attempt)))
        return no_memory(err);
    return 0;
}

/* The host's environment, then the policy's, so that $(NAME) in the latter can refer to it. */
static int complete_env(json_t *container, const json_t *host_env, struct lx_err *err)
{
    lx_auto(json) json_t *env = json_array();
    json_t *own = lx_json_arr(container, "env");
    for (size_t i = 0; i < json_array_size(host_env); i++)
        if (json_array_append_new(env, json_deep_copy(json_array_get(host_env, i))))
            return no_memory(err);
    if (own && json_array_extend(env, own))
        return no_memory(err);
    if (json_array_size(env) == 0)
        return 0;
    return json_object_set(container, "env", env) ? no_memory(err) : 0;
}

static int complete_container(json_t *pod, const struct lx_plan_container *expected,
                              struct lx_err *err)
{
    json_t *list = lx_json_arr(pod, expected->init ? "initContainers" : "containers");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *container = json_array_get(list, i);
        if (!lx_streq(lx_json_str(container, "name", NULL), expected->name))
            continue;
        if (expected->command &&
            json_object_set_new(container, "command", json_deep_copy(expected->command)))
            return no_memory(err);
        if (expected->args &&
            json_object_set_new(container, "args", json_deep_copy(expected->args)))
            return no_memory(err);
        return complete_env(container, expected->env, err);
    }
    return lx_fail(err, LX_E_REFUSED, "the manifest has no container %s", expected->name);
}

int lx_plan_complete(json_t *job, const struct lx_plan_spec *spec, struct lx_err *err)
{
    json_t *metadata = object_in(job, "metadata");
    json_t *template = lx_json_path(job, "spec.template");
    json_t *pod_metadata = template ? object_in(template, "metadata") : NULL;
    json_t *pod = lx_json_obj(template, "spec");
    if (!metadata || !pod_metadata || !pod)
        return lx_fail(err, LX_E_REFUSED, "the manifest is not a Job's");
    if (spec->ns && json_object_set_new(metadata, "namespace", json_string(spec->ns)))
        return no_memory(err);
    if (lx_plan_label(metadata, spec, err) || lx_plan_label(pod_metadata, spec, err))
        return -1;
    for (size_t i = 0; i < spec->n_containers; i++)
        if (complete_container(pod, &spec->containers[i], err))
            return -1;
    return 0;
}
