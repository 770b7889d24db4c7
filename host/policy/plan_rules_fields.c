/*
 * Rules about which fields there are at all, and about those of the pod that concern the cluster.
 */
#include "lunexec/text.h"
#include "plan_rules.h"

#include <stdio.h>

/* ---- Known fields ---- */

/* What other rules look at, and what is known to be harmless. */
static const char *const pod_fields[] = {"activeDeadlineSeconds",
                                         "affinity",
                                         "automountServiceAccountToken",
                                         "containers",
                                         "dnsConfig",
                                         "dnsPolicy",
                                         "enableServiceLinks",
                                         "ephemeralContainers",
                                         "hostAliases",
                                         "hostIPC",
                                         "hostNetwork",
                                         "hostPID",
                                         "hostUsers",
                                         "hostname",
                                         "imagePullSecrets",
                                         "initContainers",
                                         "nodeName",
                                         "nodeSelector",
                                         "os",
                                         "preemptionPolicy",
                                         "priority",
                                         "priorityClassName",
                                         "resourceClaims",
                                         "resources",
                                         "restartPolicy",
                                         "runtimeClassName",
                                         "schedulerName",
                                         "securityContext",
                                         "serviceAccount",
                                         "serviceAccountName",
                                         "setHostnameAsFQDN",
                                         "subdomain",
                                         "terminationGracePeriodSeconds",
                                         "tolerations",
                                         "topologySpreadConstraints",
                                         "volumes",
                                         NULL};
static const char *const container_fields[] = {"args",
                                               "command",
                                               "env",
                                               "envFrom",
                                               "image",
                                               "imagePullPolicy",
                                               "lifecycle",
                                               "livenessProbe",
                                               "name",
                                               "ports",
                                               "readinessProbe",
                                               "resizePolicy",
                                               "resources",
                                               "restartPolicy",
                                               "restartPolicyRules",
                                               "securityContext",
                                               "startupProbe",
                                               "stdin",
                                               "terminationMessagePath",
                                               "terminationMessagePolicy",
                                               "tty",
                                               "volumeDevices",
                                               "volumeMounts",
                                               "workingDir",
                                               NULL};
static const char *const context_fields[] = {"allowPrivilegeEscalation",
                                             "appArmorProfile",
                                             "capabilities",
                                             "privileged",
                                             "procMount",
                                             "readOnlyRootFilesystem",
                                             "runAsGroup",
                                             "runAsNonRoot",
                                             "runAsUser",
                                             "seLinuxOptions",
                                             "seccompProfile",
                                             "windowsOptions",
                                             NULL};
static const char *const pod_context_fields[] = {"appArmorProfile",
                                                 "fsGroup",
                                                 "fsGroupChangePolicy",
                                                 "runAsGroup",
                                                 "runAsNonRoot",
                                                 "runAsUser",
                                                 "seLinuxChangePolicy",
                                                 "seLinuxOptions",
                                                 "seccompProfile",
                                                 "supplementalGroups",
                                                 "supplementalGroupsPolicy",
                                                 "sysctls",
                                                 "windowsOptions",
                                                 NULL};

static bool is_in(const char *const names[], const char *name)
{
    for (; *names; names++) {
        if (lx_streq(*names, name))
            return true;
    }
    return false;
}

/* Refuses the first member that is not among `known`; those that are null do not count. */
static int check_members(const json_t *object, const char *const known[], const char *path,
                         struct lx_err *err)
{
    json_t *walked = (json_t *)(uintptr_t)object;
    for (void *it = json_object_iter(walked); it; it = json_object_iter_next(walked, it)) {
        const char *name = json_object_iter_key(it);
        if (!json_is_null(json_object_iter_value(it)) && !is_in(known, name))
            return lx_plan_refuse(err, "%s.%s is not a field known here", path, name);
    }
    return 0;
}

static int check_container_fields(struct lx_plan_view *view, const struct lx_plan_at *at,
                                  struct lx_err *err)
{
    (void)view;
    char path[96];
    snprintf(path, sizeof path, "%s.securityContext", at->path);
    if (check_members(at->container, container_fields, at->path, err))
        return -1;
    return check_members(lx_json_obj(at->container, "securityContext"), context_fields, path, err);
}

static int check_known(struct lx_plan_view *view, struct lx_err *err)
{
    if (check_members(view->pod, pod_fields, LX_PLAN_POD, err) ||
        check_members(lx_json_obj(view->pod, "securityContext"), pod_context_fields,
                      LX_PLAN_POD ".securityContext", err))
        return -1;
    return lx_plan_each_container(view, check_container_fields, err);
}

/* ---- Sysctls ---- */

/* Those that Pod Security's `baseline` allows: they concern the pod alone. */
static const char *const safe_sysctls[] = {"kernel.shm_rmid_forced",
                                           "net.ipv4.ip_local_port_range",
                                           "net.ipv4.ip_local_reserved_ports",
                                           "net.ipv4.ip_unprivileged_port_start",
                                           "net.ipv4.ping_group_range",
                                           "net.ipv4.tcp_fin_timeout",
                                           "net.ipv4.tcp_keepalive_intvl",
                                           "net.ipv4.tcp_keepalive_probes",
                                           "net.ipv4.tcp_keepalive_time",
                                           "net.ipv4.tcp_syncookies",
                                           NULL};

static int check_sysctls(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *context = lx_json_obj(view->pod, "securityContext");
    const json_t *list = json_object_get(context, "sysctls");
    if (list && !json_is_null(list) && !json_is_array(list))
        return lx_plan_refuse_value(err, LX_PLAN_POD ".securityContext.sysctls", list,
                                    "expected a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = lx_json_str(json_array_get(list, i), "name", "");
        if (!is_in(safe_sysctls, name))
            return lx_plan_refuse(
                err, LX_PLAN_POD ".securityContext.sysctls[%zu] is \"%.80s\", not a safe one", i,
                name);
    }
    return 0;
}

/* ---- Network ---- */

static int check_network(struct lx_plan_view *view, struct lx_err *err)
{
    const json_t *labels = lx_json_obj(view->pod_metadata, "labels");
    const json_t *label = json_object_get(labels, LX_LABEL_NETWORK);
    if (json_is_string(label) && json_string_length(label) > 0)
        return 0;
    return lx_plan_refuse_value(err, "spec.template.metadata.labels[\"" LX_LABEL_NETWORK "\"]",
                                label, "expected the name of a network profile");
}

const struct lx_plan_rule lx_plan_field_rules[] = {
    {"known-fields", "what is not known may do anything; what is misspelt does nothing",
     check_known, true},
    {"sysctls", "settings of the kernel that reach beyond the pod", check_sysctls, true},
    {"network-label", "without it no NetworkPolicy chooses the pod", check_network, true},
};
const size_t lx_plan_n_field_rules = sizeof lx_plan_field_rules / sizeof lx_plan_field_rules[0];
