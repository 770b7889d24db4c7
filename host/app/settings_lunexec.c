/*
 * Settings of Lunexec's own.
 */
#include "app/settings.h"

#define FIELD(member) offsetof(struct lx_settings, member)

static const struct lx_setting table[] = {
    {.name = "LUNEXEC_POLICY_DIR",
     .type = LX_SET_STRING,
     .at = FIELD(policy_dir),
     .help = "Directory with policy.lua; unset: the bundled scripts."},
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
    {.name = "LUNEXEC_GUARDRAILS",
     .type = LX_SET_STRING,
     .at = FIELD(guardrails),
     .help =
         "JSON object: what a policy's manifests may and may not have, whatever the scripts say: "
         "{\"allow\": [rules that do not apply], \"images\": [patterns], \"max\": {resource: "
         "quantity}}."},
    {.name = "LUNEXEC_WORKSPACE_DIR",
     .type = LX_SET_STRING,
     .at = FIELD(workspace_dir),
     .fallback = "/data",
     .help =
         "Where EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME's claim is mounted in the executor; "
         "the shared-volume layout puts its workspaces there."},
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
             "later one's limit, which stays at least 64 KiB; 0: no limit."},
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
    {.name = "LUNEXEC_REPORTED_VERSION",
     .type = LX_SET_STRING,
     .at = FIELD(reported_version),
     .fallback = "0.0.0+dev",
     .help = "Executor version told to Sourcegraph: 0.0.0+dev, or the instance's own."},
};

const struct lx_setting_group lx_settings_lunexec = {"Lunexec", table,
                                                     sizeof table / sizeof *table};
