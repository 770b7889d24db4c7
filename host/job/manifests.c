#include "job/manifests.h"

#include "lunexec/policy.h"
#include "lunexec/text.h"

/* What does not depend on the containers. */
static struct lx_plan_spec common_spec(const struct lx_executor_opts *opts,
                                       const struct lx_policy *policy)
{
    return (struct lx_plan_spec){
        .ns = opts->ns,
        .executor = opts->executor_name,
        .policy_hash = lx_policy_hash(policy),
        .deadline_s = opts->job_deadline_s,
        .host_network_allowed = lx_json_bool(opts->policy_settings, "host_network", false),
        .allowed_volumes = lx_json_arr(opts->policy_settings, "additional_volumes"),
        .allowed_security_context =
            lx_json_obj(opts->policy_settings, "container_security_context"),
        .guardrails = opts->guardrails,
    };
}

static struct lx_plan_spec plan_spec(const struct lx_manifests *m,
                                     struct lx_plan_container **ret_containers)
{
    const struct lx_workload *workload = m->workload;
    struct lx_plan_container *containers =
        lx_alloc_array(workload->n_containers, sizeof *containers);
    for (size_t i = 0; i < workload->n_containers; i++) {
        const struct lx_workload_container *c = &workload->containers[i];
        containers[i] = (struct lx_plan_container){
            .name = c->name,
            .init = c->init,
            .command = c->command,
            .args = c->args,
            .working_dir = c->working_dir,
            .env = c->env,
        };
    }
    *ret_containers = containers;
    struct lx_plan_spec spec = common_spec(m->opts, m->policy);
    spec.name = workload->job_name;
    spec.queue = m->job->queue;
    spec.job_id = m->job->id;
    spec.attempt = workload->attempt;
    spec.frontend = m->frontend;
    spec.run = m->run;
    spec.containers = containers;
    spec.n_containers = workload->n_containers;
    return spec;
}

static int check_and_complete(const json_t *results, const struct lx_plan_spec *spec,
                              json_t **ret_plan, struct lx_err *err)
{
    const json_t *answer = json_array_get(results, 0);
    if (!json_is_object(answer))
        return lx_fail(err, LX_E_REFUSED, "job() must return a Job manifest (a table)");
    lx_auto(json) json_t *plan = json_deep_copy(answer);
    if (!plan)
        return lx_fail(err, LX_E_REFUSED, "job() returned a manifest that cannot be copied");
    if (lx_plan_check(plan, spec, err) < 0 || lx_plan_complete(plan, spec, err) < 0)
        return -1;
    *ret_plan = lx_take(plan);
    return 0;
}

int lx_manifests_plan(const struct lx_manifests *m, const json_t *results, json_t **ret_plan,
                      struct lx_err *err)
{
    lx_auto(json) json_t *plan = NULL;
    struct lx_plan_container *containers = NULL;
    struct lx_plan_spec spec = plan_spec(m, &containers);
    int result = check_and_complete(results, &spec, &plan, err);
    free(containers);
    if (result == 0)
        result = lx_workload_attach(m->workload, plan, err);
    if (result == 0)
        *ret_plan = lx_take(plan);
    return result;
}

int lx_manifests_try(const struct lx_executor_opts *opts, const struct lx_policy *policy,
                     const json_t *task, const json_t *results, json_t **ret_plan,
                     struct lx_err *err)
{
    const json_t *list = lx_json_arr(task, "containers");
    bool single = lx_streq(lx_json_str(task, "layout", ""), "single-pod");
    size_t n = json_array_size(list);
    struct lx_plan_container *containers = lx_alloc_array(n, sizeof *containers);
    for (size_t i = 0; i < n; i++) {
        containers[i].name = lx_json_str(json_array_get(list, i), "name", "");
        containers[i].init = single && i + 1 < n;
    }
    struct lx_plan_spec spec = common_spec(opts, policy);
    spec.name = lx_json_str(lx_json_obj(task, "names"), "job", "");
    spec.queue = lx_json_str(task, "queue", "");
    spec.job_id = lx_json_int(task, "id", 0);
    spec.containers = containers;
    spec.n_containers = n;
    int result = check_and_complete(results, &spec, ret_plan, err);
    free(containers);
    return result;
}

static json_t *bare_manifest(const struct lx_manifests *m, const struct lx_object *object,
                             const char *job_uid)
{
    const struct lx_executor_opts *opts = m->opts;
    const struct lx_workload *w = m->workload;
    switch (object->role) {
    case LX_OBJECT_SECRET:
        return lx_workload_secret(w, opts->ns);
    case LX_OBJECT_PULL_SECRET:
        return lx_workload_pull_secret(w, opts->ns, m->job->docker_auth);
    case LX_OBJECT_CLAIM:
        return lx_workload_claim(w, opts->ns, opts->volume_size, opts->storage_class);
    case LX_OBJECT_FILES:
        return lx_cargo_secret(w->cargo, object->index, w->job_name, opts->ns, job_uid);
    case LX_OBJECT_JOB:
        break;
    }
    return NULL;
}

json_t *lx_manifests_object(const struct lx_manifests *m, const struct lx_object *object,
                            json_t *plan, const char *job_uid, struct lx_err *err)
{
    if (object->role == LX_OBJECT_JOB)
        return json_incref(plan);
    lx_auto(json) json_t *manifest = bare_manifest(m, object, job_uid);
    if (!manifest) {
        lx_fail(err, LX_E_INVALID, "%s %s cannot be written as JSON", object->what, object->name);
        return NULL;
    }
    struct lx_plan_container *containers = NULL;
    struct lx_plan_spec spec = plan_spec(m, &containers);
    int result = lx_plan_label(json_object_get(manifest, "metadata"), &spec, err);
    free(containers);
    return result < 0 ? NULL : lx_take(manifest);
}
