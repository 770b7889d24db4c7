/*
 * Settings of Lunexec's own.
 */
#include "app/settings.h"

#define FIELD(member) offsetof(struct lx_settings, member)

/* lunexec.Peer in lua/lunexec/types.lua, as far as it can be told here. */
static const struct lx_shape peer[] = {
    {.key = "namespace", .kind = LX_SHAPE_STRING},
    {.key = "pod_labels", .kind = LX_SHAPE_OBJECT},
    {.key = "cidrs", .kind = LX_SHAPE_STRINGS},
    {0},
};

static const struct lx_setting table[] = {
    {.name = "LUNEXEC_POLICY_DIR",
     .type = LX_SET_STRING,
     .at = FIELD(policy_dir),
     .help = "Directory with policy.lua, such as a mounted ConfigMap; what changes in it is tried "
             "and then used, without a restart; unset: the bundled scripts."},
    {.name = "LUNEXEC_POLICY_SHADOW_DIR",
     .type = LX_SET_STRING,
     .at = FIELD(policy_shadow_dir),
     .help = "Directory with a second policy.lua, which is asked about every job as well; the log "
             "says what it would change, and nothing of it is applied."},
    {.name = "LUNEXEC_POLICY_DRY_RUN",
     .type = LX_SET_BOOL,
     .at = FIELD(policy_dry_run),
     .fallback = "false",
     .help = "Before a changed policy is used, send the Jobs that it makes of samples and of the "
             "last jobs to the API server as dry runs."},
    {.name = "LUNEXEC_LIBRARY_DIR",
     .type = LX_SET_STRING,
     .at = FIELD(library_dir),
     .help = "Directory of the policy library; unset: the bundled one."},
    {.name = "LUNEXEC_FIREWALL_PROFILE",
     .type = LX_SET_STRING,
     .at = FIELD(firewall_profile),
     .fallback = "compatible",
     .policy_key = "firewall_profile",
     .choices = "compatible|hardened",
     .help = "Security defaults of pods."},
    {.name = "LUNEXEC_USER_NAMESPACES",
     .type = LX_SET_BOOL,
     .at = FIELD(user_namespaces),
     .fallback = "false",
     .policy_key = "user_namespaces",
     .help =
         "Pods get user namespaces of their own: root in them is nobody on the node. Nodes need "
         "Linux 6.3 and Kubernetes 1.33."},
    {.name = "LUNEXEC_NETWORK_PROFILE",
     .type = LX_SET_STRING,
     .at = FIELD(network_profile),
     .fallback = "internet",
     .policy_key = "network_profile",
     .choices = "internet|listed|frontend-only",
     .help =
         "Whom jobs may talk to, where the NetworkPolicies that `lunexec policy network` prints "
         "are in place."},
    {.name = "LUNEXEC_NETWORK_FRONTEND",
     .type = LX_SET_JSON_OBJECT,
     .at = FIELD(network_frontend),
     .policy_key = "network_frontend",
     .help = "JSON object for those NetworkPolicies: a frontend in the cluster or at a private "
             "address, {\"namespace\": \"sourcegraph\", \"pod_labels\": {\"app\": "
             "\"sourcegraph-frontend\"}, \"ports\": [3080]} or {\"cidrs\": [\"10.0.0.7/32\"], "
             "\"ports\": [443]}."},
    {.name = "LUNEXEC_NETWORK_DNS",
     .type = LX_SET_JSON_OBJECT,
     .at = FIELD(network_dns),
     .policy_key = "network_dns",
     .help = "JSON object of the same kind: where DNS is; unset: k8s-app=kube-dns in kube-system, "
             "port 53."},
    {.name = "LUNEXEC_NETWORK_LISTED",
     .type = LX_SET_JSON_ARRAY,
     .at = FIELD(network_listed),
     .policy_key = "network_listed",
     .shape = peer,
     .help = "JSON array of such objects: what jobs of the profile listed may reach."},
    {.name = "LUNEXEC_NETWORK_BLOCKED",
     .type = LX_SET_LIST,
     .at = FIELD(network_blocked),
     .policy_key = "network_blocked",
     .help = "Public addresses that no job may reach, such as the API server's: CIDRs, "
             "comma-separated."},
    {.name = "LUNEXEC_GUARDRAILS",
     .type = LX_SET_STRING,
     .at = FIELD(guardrails),
     .help =
         "JSON object: what a policy's manifests may and may not have, whatever the scripts say: "
         "{\"allow\": [rules that do not apply], \"images\": [patterns], \"max\": {resource: "
         "quantity}}."},
    {.name = "LUNEXEC_MAXIMUM_CPU",
     .type = LX_SET_QUANTITY,
     .at = FIELD(maximum_cpu),
     .help =
         "Most CPU that the jobs which run at once may count for, as the policy's admit() says; "
         "a job beyond it waits for its turn. Unset or 0: no limit but "
         "EXECUTOR_MAXIMUM_NUM_JOBS."},
    {.name = "LUNEXEC_MAXIMUM_MEMORY",
     .type = LX_SET_QUANTITY,
     .at = FIELD(maximum_memory),
     .help = "The same for memory: 256Gi."},
    {.name = "LUNEXEC_WORKSPACE_DIR",
     .type = LX_SET_STRING,
     .at = FIELD(workspace_dir),
     .fallback = "/data",
     .help =
         "Where EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME's claim is mounted in the executor; "
         "the shared-volume layout puts its workspaces there."},
    {.name = "LUNEXEC_STATE_DIR",
     .type = LX_SET_STRING,
     .at = FIELD(state_dir),
     .help = "Directory that survives a restart, for one executor: with it a restarted executor "
             "has the same name and goes on with the jobs that run; unset: they are lost."},
    {.name = "LUNEXEC_SWEEP_INTERVAL",
     .type = LX_SET_DURATION,
     .at = FIELD(sweep_interval_ms),
     .fallback = "5m",
     .max = 86400000,
     .help = "How often Jobs, Secrets and claims are looked for, and removed, that an executor of "
             "this name left behind; the first time at the start, where LUNEXEC_STATE_DIR keeps "
             "the name. Those of other executors are never touched; 0, or KUBERNETES_KEEP_JOBS: "
             "never."},
    {.name = "LUNEXEC_SPOOL_DIR",
     .also = "TMPDIR",
     .type = LX_SET_STRING,
     .at = FIELD(spool_dir),
     .fallback = "/tmp",
     .help = "Where output beyond 1 MiB a log entry is kept until it is delivered."},
    {.name = "LUNEXEC_SPOOL_LIMIT",
     .type = LX_SET_BYTES,
     .at = FIELD(spool_limit),
     .fallback = "4Gi",
     .help =
         "Most disk that the output of all jobs may take there; a log that needs more ends with "
         "a line that says so, and its job is errored; 0: no limit."},
    {.name = "LUNEXEC_LOG_UPDATE_INTERVAL",
     .type = LX_SET_DURATION,
     .at = FIELD(log_update_interval_ms),
     .fallback = "1s",
     .min = 100,
     .max = 60000,
     .help = "Shortest time between two updates of a log entry."},
    {.name = "LUNEXEC_LOG_LIMIT_STEP",
     .type = LX_SET_BYTES,
     .at = FIELD(log_limit_step),
     .fallback = "64Mi",
     .help = "Most output kept of a step; the middle of a longer one is dropped; 0: no limit."},
    {.name = "LUNEXEC_LOG_LIMIT_JOB",
     .type = LX_SET_BYTES,
     .at = FIELD(log_limit_job),
     .fallback = "256Mi",
     .help = "Most output kept of all steps of a job: what earlier steps have used is taken off a "
             "later one's limit as that one begins, which leaves it at least 64 KiB; 0: no limit."},
    {.name = "LUNEXEC_MASK_PATTERNS",
     .type = LX_SET_STRING,
     .at = FIELD(mask_patterns),
     .fallback = "default",
     .help = "How tokens begin that are masked as **** in logs, beside a job's secrets: PREFIX or "
             "PREFIX{N} for at least N (16) characters after it, comma-separated; default: those "
             "of GitHub, GitLab, Sourcegraph, Slack, AWS and others; off: none. Results of steps "
             "(.post) are left as they are."},
    {.name = "LUNEXEC_LISTEN",
     .also = "EXECUTOR_HEALTH_SERVER_ADDR",
     .type = LX_SET_STRING,
     .at = FIELD(listen),
     .fallback = ":6060",
     .help = "Address of /metrics, /healthz and /ready; \"off\": none."},
    {.name = "LUNEXEC_SELF_RESTRICTION",
     .type = LX_SET_BOOL,
     .at = FIELD(self_restriction),
     .fallback = "true",
     .help = "The executor gives up system calls that it has no use for, writing elsewhere than in "
             "its own directories, and running programs from elsewhere than the system's and "
             "PATH's, as far as the kernel has seccomp and Landlock; false: where that is in the "
             "way."},
    {.name = "LUNEXEC_REPORTED_VERSION",
     .type = LX_SET_STRING,
     .at = FIELD(reported_version),
     .fallback = "0.0.0+dev",
     .help = "Executor version told to Sourcegraph: 0.0.0+dev, or the instance's own."},
};

const struct lx_setting_group lx_settings_lunexec = {"Lunexec", table,
                                                     sizeof table / sizeof *table};
