/*
 * The settings: one table of environment variables, from which parsing, `run --help` and
 * docs/settings.md come.
 */
#ifndef LX_APP_SETTINGS_H
#define LX_APP_SETTINGS_H

#include "lunexec/json.h"
#include "lunexec/log.h"

#include <stddef.h>

struct lx_settings {
    /* Sourcegraph */
    char *frontend_url, *password;
    char *queue_name;
    char **queue_names;
    int64_t poll_interval_ms, max_jobs, max_runtime_ms, num_total_jobs, max_active_ms;
    int64_t job_num_cpus;
    char *job_memory, *disk_space;
    bool use_firecracker, use_firecracker_set, add_host_gateway;
    char *hostname;
    char *reported_version;

    /* Kubernetes */
    char *kube_config_path, *home;
    char *service_host, *service_port;
    char *ns;
    char *node_name;
    json_t *node_selector, *match_expressions, *match_fields;
    json_t *pod_affinity, *pod_anti_affinity, *tolerations;
    char *claim_name;
    char *limit_cpu, *limit_memory, *request_cpu, *request_memory;
    int64_t job_deadline_s;
    bool keep_jobs, host_network;
    int64_t run_as_user, run_as_group, fs_group; /* -1: unset */
    char *volume_type, *volume_size;
    json_t *additional_volumes, *additional_mounts;
    char *step_image, *single_step_image, *git_ca_cert;
    json_t *job_annotations, *pod_annotations;
    json_t *pull_secrets; /* array of names */
    char *pull_policy;
    json_t *security_context;

    /* Lunexec's own */
    char *policy_dir, *library_dir, *firewall_profile, *spool_dir, *listen;
    int64_t log_update_interval_ms, log_limit_step;
    enum lx_level log_level;
    enum lx_log_format log_format;
};

/* Reads `env` (NAME=value, NULL-terminated). On failure *ret_problems (appended) has one line a
 * problem, naming variable and value, secrets as ***; returns -1. Release with lx_settings_done in
 * both cases. */
int lx_settings_read(struct lx_settings *ret_settings, char *const *env, struct lx_buf *problems);
void lx_settings_done(struct lx_settings *settings);

/* What the policy gets as its `settings`; see lua/lunexec/types.lua. The caller owns it. */
json_t *lx_settings_for_policy(const struct lx_settings *settings);

/* Appends the list of settings as text, for `run --help`; as Markdown for docs/settings.md. */
int lx_settings_help(struct lx_buf *out, bool markdown, struct lx_err *err);

/* ---- inside the settings' own files ---- */

enum lx_setting_type {
    LX_SET_STRING,
    LX_SET_SECRET, /* a string that no message shows */
    LX_SET_INT,
    LX_SET_BOOL,
    LX_SET_DURATION,
    LX_SET_QUANTITY,
    LX_SET_LIST,  /* comma-separated; char ** or json array, see `json` */
    LX_SET_PAIRS, /* k=v,k=v */
    LX_SET_JSON_ARRAY,
    LX_SET_JSON_OBJECT,
    LX_SET_JSON_STRINGS, /* an object of strings */
    LX_SET_LEVEL,
    LX_SET_FORMAT,
    LX_SET_BYTES, /* a byte count, plain or with a Kubernetes suffix */
};

struct lx_setting {
    const char *name;
    enum lx_setting_type type;
    size_t offset;          /* in struct lx_settings */
    const char *fallback;   /* NULL: unset */
    const char *policy_key; /* key in the policy's settings; NULL: not shown to the policy */
    const char *choices;    /* "a|b" for strings; NULL: any */
    int64_t min, max;       /* integers and durations; both 0: any */
    const char *help;
};

const struct lx_setting *lx_setting_table(size_t *ret_n);

#endif
