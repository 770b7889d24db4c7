/*
 * Rules about the pod: its containers, and what they may reach on the node and in the cluster.
 */
#include "lunexec/text.h"
#include "plan_rules.h"

#include <stdio.h>
#include <string.h>

#define WORKSPACE "/job"
#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* ---- Containers ---- */

static const json_t *list_of(const struct lx_plan_view *view, bool init)
{
    return lx_json_arr(view->pod, init ? "initContainers" : "containers");
}

/* The containers of one list are those the host expects, in its order. */
static int check_order_of(struct lx_plan_view *view, bool init, struct lx_err *err)
{
    const struct lx_plan_spec *spec = view->spec;
    const json_t *list = list_of(view, init);
    const char *which = init ? "initContainers" : "containers";
    size_t at = 0;
    for (size_t i = 0; i < spec->n_containers; i++) {
        if (spec->containers[i].init != init)
            continue;
        const json_t *name = json_object_get(json_array_get(list, at), "name");
        if (!lx_streq(json_string_value(name), spec->containers[i].name)) {
            char path[96], expected[320];
            snprintf(path, sizeof path, LX_PLAN_POD ".%s[%zu].name", which, at);
            snprintf(expected, sizeof expected, "expected \"%s\"", spec->containers[i].name);
            return lx_plan_refuse_value(err, path, name, expected);
        }
        at++;
    }
    if (json_array_size(list) > at)
        return lx_plan_refuse(err, LX_PLAN_POD ".%s[%zu] is one container more than the job has",
                              which, at);
    return 0;
}

static int check_order(struct lx_plan_view *view, struct lx_err *err)
{
    if (json_array_size(json_object_get(view->pod, "ephemeralContainers")))
        return lx_plan_refuse(err, LX_PLAN_POD ".ephemeralContainers is not a policy's to set");
    if (check_order_of(view, true, err))
        return -1;
    return check_order_of(view, false, err);
}

/* Refuses a field that is there at all. */
static int check_none(const struct lx_plan_at *at, const char *const fields[], size_t n,
                      const char *why, struct lx_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(at->container, fields[i]);
        if (value && !json_is_null(value))
            return lx_plan_refuse(err, "%s.%s %s", at->path, fields[i], why);
    }
    return 0;
}

static const struct lx_plan_container *expected_of(const struct lx_plan_view *view,
                                                   const struct lx_plan_at *at)
{
    const char *name = lx_json_str(at->container, "name", "");
    for (size_t i = 0; i < view->spec->n_containers; i++)
        if (lx_streq(view->spec->containers[i].name, name))
            return &view->spec->containers[i];
    return NULL;
}

static int check_command_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                            struct lx_err *err)
{
    static const char *const fields[] = {"command", "args"};
    if (check_none(at, fields, N_OF(fields), "is the executor's to set", err))
        return -1;
    const struct lx_plan_container *expected = expected_of(view, at);
    const char *dir = expected ? expected->working_dir : NULL;
    if (!dir || lx_streq(lx_json_str(at->container, "workingDir", NULL), dir))
        return 0;
    char path[80], text[320];
    snprintf(path, sizeof path, "%s.workingDir", at->path);
    snprintf(text, sizeof text, "expected \"%s\"", dir);
    return lx_plan_refuse_value(err, path, json_object_get(at->container, "workingDir"), text);
}

static int check_command(struct lx_plan_view *view, struct lx_err *err)
{
    return lx_plan_each_container(view, check_command_of, err);
}

static int check_extras_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                           struct lx_err *err)
{
    (void)view;
    static const char *const fields[] = {
        "lifecycle",     "livenessProbe",      "readinessProbe", "startupProbe",
        "restartPolicy", "restartPolicyRules", "stdin",          "tty"};
    return check_none(at, fields, N_OF(fields), "would run, restart or hold up something else",
                      err);
}

static int check_extras(struct lx_plan_view *view, struct lx_err *err)
{
    return lx_plan_each_container(view, check_extras_of, err);
}

static int check_image_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                          struct lx_err *err)
{
    (void)view;
    if (*lx_json_str(at->container, "image", ""))
        return 0;
    char path[80];
    snprintf(path, sizeof path, "%s.image", at->path);
    return lx_plan_refuse_value(err, path, json_object_get(at->container, "image"),
                                "expected an image reference");
}

static int check_image(struct lx_plan_view *view, struct lx_err *err)
{
    return lx_plan_each_container(view, check_image_of, err);
}

static bool has_name(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (lx_streq(lx_json_str(json_array_get(list, i), "name", NULL), name))
            return true;
    return false;
}

static int check_env_of(struct lx_plan_view *view, const struct lx_plan_at *at, struct lx_err *err)
{
    const struct lx_plan_container *expected = expected_of(view, at);
    const json_t *env = lx_json_arr(at->container, "env");
    for (size_t i = 0; i < json_array_size(env); i++) {
        const char *name = lx_json_str(json_array_get(env, i), "name", NULL);
        if (!name)
            return lx_plan_refuse(err, "%s.env[%zu] has no name", at->path, i);
        if (expected && has_name(expected->env, name))
            return lx_plan_refuse(err, "%s.env[%zu] sets %s, which the job itself sets", at->path,
                                  i, name);
    }
    return 0;
}

static int check_env(struct lx_plan_view *view, struct lx_err *err)
{
    return lx_plan_each_container(view, check_env_of, err);
}

static const json_t *workspace_mount(const json_t *container)
{
    const json_t *mounts = lx_json_arr(container, "volumeMounts");
    for (size_t i = 0; i < json_array_size(mounts); i++)
        if (lx_streq(lx_json_str(json_array_get(mounts, i), "mountPath", NULL), WORKSPACE))
            return json_array_get(mounts, i);
    return NULL;
}

static int check_workspace_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                              struct lx_err *err)
{
    const json_t *first = json_array_get(list_of(view, true), 0);
    if (!first)
        first = json_array_get(list_of(view, false), 0);
    const json_t *mount = workspace_mount(at->container), *same = workspace_mount(first);
    if (!mount)
        return lx_plan_refuse(err, "%s.volumeMounts has nothing at " WORKSPACE, at->path);
    if (lx_json_bool(mount, "readOnly", false))
        return lx_plan_refuse(err, "%s.volumeMounts: " WORKSPACE " is read-only", at->path);
    if (!has_name(lx_json_arr(view->pod, "volumes"), lx_json_str(mount, "name", "")))
        return lx_plan_refuse(err, "%s.volumeMounts: " WORKSPACE " has no volume of its name",
                              at->path);
    if (!lx_streq(lx_json_str(mount, "name", NULL), lx_json_str(same, "name", NULL)) ||
        !lx_streq(lx_json_str(mount, "subPath", ""), lx_json_str(same, "subPath", "")) ||
        !lx_streq(lx_json_str(mount, "subPathExpr", ""), lx_json_str(same, "subPathExpr", "")))
        return lx_plan_refuse(err, "%s.volumeMounts: " WORKSPACE " is not the first container's",
                              at->path);
    return 0;
}

static int check_workspace(struct lx_plan_view *view, struct lx_err *err)
{
    return lx_plan_each_container(view, check_workspace_of, err);
}

/* ---- Secrets ---- */

/* Finds a member that names a Secret, at any depth. */
static const char *find_secret(const json_t *value)
{
    static const char *const keys[] = {"secretRef",  "secretKeyRef",         "secret",
                                       "secretName", "nodePublishSecretRef", "authSecretRef"};
    const char *found = NULL;
    for (size_t i = 0; i < json_array_size(value) && !found; i++)
        found = find_secret(json_array_get(value, i));
    if (!json_is_object(value))
        return found;
    for (size_t i = 0; i < N_OF(keys) && !found; i++)
        if (json_object_get(value, keys[i]))
            found = keys[i];
    json_t *walked = (json_t *)(uintptr_t)value;
    for (void *it = json_object_iter(walked); it && !found; it = json_object_iter_next(walked, it))
        found = find_secret(json_object_iter_value(it));
    return found;
}

static int check_secrets_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                            struct lx_err *err)
{
    (void)view;
    static const char *const lists[] = {"env", "envFrom"};
    for (size_t i = 0; i < N_OF(lists); i++) {
        const char *found = find_secret(lx_json_arr(at->container, lists[i]));
        if (found)
            return lx_plan_refuse(err, "%s.%s has a %s", at->path, lists[i], found);
    }
    return 0;
}

static int check_secrets(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *volumes = lx_json_arr(view->pod, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        const char *found = lx_plan_volume_allowed(view, volume) ? NULL : find_secret(volume);
        if (found)
            return lx_plan_refuse(err, LX_PLAN_POD ".volumes[%zu] has a %s", i, found);
    }
    return lx_plan_each_container(view, check_secrets_of, err);
}

/* ---- Volumes ---- */

static int check_host_path(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *volumes = lx_json_arr(view->pod, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        if (json_object_get(volume, "hostPath") && !lx_plan_volume_allowed(view, volume))
            return lx_plan_refuse(err, LX_PLAN_POD ".volumes[%zu].hostPath is not allowed", i);
    }
    return 0;
}

static bool is_known_volume(const char *key)
{
    static const char *const known[] = {"name",      "emptyDir", "persistentVolumeClaim",
                                        "configMap", "hostPath", "downwardAPI",
                                        "projected", "secret",   "ephemeral",
                                        "image"};
    for (size_t i = 0; i < N_OF(known); i++)
        if (lx_streq(key, known[i]))
            return true;
    return false;
}

static int check_volumes(struct lx_plan_view *view, struct lx_err *err)
{
    json_t *volumes = lx_json_arr(view->pod, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        json_t *volume = json_array_get(volumes, i);
        if (lx_plan_volume_allowed(view, volume))
            continue;
        for (void *it = json_object_iter(volume); it; it = json_object_iter_next(volume, it))
            if (!is_known_volume(json_object_iter_key(it)))
                return lx_plan_refuse(err, LX_PLAN_POD ".volumes[%zu].%s is not a kind allowed", i,
                                      json_object_iter_key(it));
    }
    return 0;
}

/* ---- Security context ---- */

/* A field of the container's security context; NULL when the settings have it the same. */
static const json_t *context_field(const struct lx_plan_view *view, const struct lx_plan_at *at,
                                   const char *key)
{
    const json_t *value = json_object_get(lx_json_obj(at->container, "securityContext"), key);
    const json_t *allowed = json_object_get(view->spec->allowed_security_context, key);
    return allowed && value && json_equal(value, allowed) ? NULL : value;
}

static int check_privileged_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                               struct lx_err *err)
{
    if (json_is_true(context_field(view, at, "privileged")))
        return lx_plan_refuse(err, "%s.securityContext.privileged is true", at->path);
    const json_t *windows = context_field(view, at, "windowsOptions");
    if (lx_json_bool(windows, "hostProcess", false))
        return lx_plan_refuse(err, "%s.securityContext.windowsOptions.hostProcess is true",
                              at->path);
    return 0;
}

static int check_privileged(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *context = lx_json_obj(view->pod, "securityContext");
    if (lx_json_bool(lx_json_obj(context, "windowsOptions"), "hostProcess", false))
        return lx_plan_refuse(err,
                              LX_PLAN_POD ".securityContext.windowsOptions.hostProcess is true");
    return lx_plan_each_container(view, check_privileged_of, err);
}

static int check_capabilities_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                                 struct lx_err *err)
{
    const json_t *added = json_object_get(context_field(view, at, "capabilities"), "add");
    if (json_array_size(added) || (added && !json_is_array(added) && !json_is_null(added)))
        return lx_plan_refuse(err, "%s.securityContext.capabilities.add is not empty", at->path);
    return 0;
}

static int check_capabilities(struct lx_plan_view *view, struct lx_err *err)
{
    return lx_plan_each_container(view, check_capabilities_of, err);
}

static bool is_unconfined(const json_t *profile)
{
    return lx_streq(lx_json_str(profile, "type", NULL), "Unconfined");
}

/* SELinux types of containers; others, such as spc_t, are not confined. */
static bool is_confined_selinux(const json_t *options)
{
    static const char *const types[] = {"", "container_t", "container_init_t", "container_kvm_t",
                                        "container_engine_t"};
    if (*lx_json_str(options, "user", "") || *lx_json_str(options, "role", ""))
        return false;
    for (size_t i = 0; i < N_OF(types); i++)
        if (lx_streq(lx_json_str(options, "type", ""), types[i]))
            return true;
    return false;
}

/* How older clusters are told about profiles. */
static int check_profile_annotations(const json_t *metadata, struct lx_err *err)
{
    static const char *const prefixes[] = {"container.apparmor.security.beta.kubernetes.io/",
                                           "container.seccomp.security.alpha.kubernetes.io/",
                                           "seccomp.security.alpha.kubernetes.io/"};
    json_t *map = lx_json_obj(metadata, "annotations");
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it))
        for (size_t i = 0; i < N_OF(prefixes); i++)
            if (lx_starts_with(json_object_iter_key(it), prefixes[i]) &&
                lx_streq(json_string_value(json_object_iter_value(it)), "unconfined"))
                return lx_plan_refuse(err,
                                      "spec.template.metadata.annotations[\"%s\"] is unconfined",
                                      json_object_iter_key(it));
    return 0;
}

static int check_unconfined_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                               struct lx_err *err)
{
    static const char *const profiles[] = {"seccompProfile", "appArmorProfile"};
    for (size_t i = 0; i < N_OF(profiles); i++)
        if (is_unconfined(context_field(view, at, profiles[i])))
            return lx_plan_refuse(err, "%s.securityContext.%s.type is Unconfined", at->path,
                                  profiles[i]);
    if (!is_confined_selinux(context_field(view, at, "seLinuxOptions")))
        return lx_plan_refuse(err, "%s.securityContext.seLinuxOptions are no container's",
                              at->path);
    const json_t *mount = context_field(view, at, "procMount");
    if (lx_streq(json_string_value(mount), "Unmasked"))
        return lx_plan_refuse(err, "%s.securityContext.procMount is Unmasked", at->path);
    return 0;
}

static int check_unconfined(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *context = lx_json_obj(view->pod, "securityContext");
    if (is_unconfined(lx_json_obj(context, "seccompProfile")) ||
        is_unconfined(lx_json_obj(context, "appArmorProfile")))
        return lx_plan_refuse(err, LX_PLAN_POD ".securityContext has a profile Unconfined");
    if (!is_confined_selinux(lx_json_obj(context, "seLinuxOptions")))
        return lx_plan_refuse(err,
                              LX_PLAN_POD ".securityContext.seLinuxOptions are no container's");
    if (check_profile_annotations(view->pod_metadata, err))
        return -1;
    return lx_plan_each_container(view, check_unconfined_of, err);
}

/* ---- The node and the API ---- */

static int check_ports_of(struct lx_plan_view *view, const struct lx_plan_at *at,
                          struct lx_err *err)
{
    const json_t *ports = lx_json_arr(at->container, "ports");
    for (size_t i = 0; i < json_array_size(ports); i++)
        if (lx_json_int(json_array_get(ports, i), "hostPort", 0) != 0 &&
            !view->spec->host_network_allowed)
            return lx_plan_refuse(err, "%s.ports[%zu].hostPort is not allowed", at->path, i);
    return 0;
}

static int check_host_namespaces(struct lx_plan_view *view, struct lx_err *err)
{
    static const char *const fields[] = {"hostPID", "hostIPC", "hostNetwork"};
    for (size_t i = 0; i < N_OF(fields); i++) {
        bool allowed = view->spec->host_network_allowed && lx_streq(fields[i], "hostNetwork");
        if (!allowed && lx_json_bool(view->pod, fields[i], false))
            return lx_plan_refuse(err, LX_PLAN_POD ".%s is true", fields[i]);
    }
    return lx_plan_each_container(view, check_ports_of, err);
}

/* What the kubelet would get from the API server for the pod to show there. */
static bool is_credential(const json_t *source)
{
    return json_object_get(source, "serviceAccountToken") ||
           json_object_get(source, "podCertificate");
}

static int check_token(struct lx_plan_view *view, struct lx_err *err)
{
    if (view->spec->service_account_token_allowed)
        return 0;
    const json_t *automount = json_object_get(view->pod, "automountServiceAccountToken");
    if (!json_is_false(automount))
        return lx_plan_refuse_value(err, LX_PLAN_POD ".automountServiceAccountToken", automount,
                                    "expected false");
    const json_t *volumes = lx_json_arr(view->pod, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        const json_t *sources = lx_json_arr(lx_json_obj(volume, "projected"), "sources");
        for (size_t j = 0; j < json_array_size(sources); j++)
            if (is_credential(json_array_get(sources, j)) && !lx_plan_volume_allowed(view, volume))
                return lx_plan_refuse(
                    err, LX_PLAN_POD ".volumes[%zu].projected.sources[%zu] is a token", i, j);
    }
    return 0;
}

const struct lx_plan_rule lx_plan_pod_rules[] = {
    {"container-order", "every step runs, in its order, and nothing besides", check_order, false},
    {"container-command", "what a container runs comes from the job", check_command, false},
    {"container-extras", "hooks and probes run commands of their own", check_extras, true},
    {"container-image", "a container needs an image", check_image, false},
    {"container-env", "the job's own environment wins", check_env, false},
    {"workspace-mount", "all steps share one workspace at " WORKSPACE, check_workspace, false},
    {"secret-reference", "a job sees its own token and nothing else's", check_secrets, true},
    {"host-path", "the node's files are not a job's", check_host_path, true},
    {"volume-type", "kinds of volumes that are not known to be harmless", check_volumes, true},
    {"privileged", "a privileged container is root on the node", check_privileged, true},
    {"capabilities", "added capabilities weaken the container", check_capabilities, true},
    {"unconfined", "the runtime's own confinement stays on", check_unconfined, true},
    {"host-namespaces", "the node's processes and network are not a job's", check_host_namespaces,
     true},
    {"service-account-token", "a job has no business with the Kubernetes API", check_token, true},
};
const size_t lx_plan_n_pod_rules = sizeof lx_plan_pod_rules / sizeof lx_plan_pod_rules[0];
