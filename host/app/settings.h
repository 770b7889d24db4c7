/*
 * The settings: one table of environment variables, from which parsing, `run --help` and
 * docs/settings.md come. Its rows are in settings_sourcegraph.c, settings_kubernetes.c,
 * settings_lunexec.c and settings_accepted.c.
 */
#ifndef LX_APP_SETTINGS_H
#define LX_APP_SETTINGS_H

#include "lunexec/json.h"
#include "lunexec/log.h"

#include <stddef.h>
#include <stdint.h>

/* A bool that may be left open. */
enum lx_maybe { LX_UNSET, LX_YES, LX_NO };

struct lx_settings {
    /* Sourcegraph */
    char *frontend_url, *password;
    char *queue_name;   /* NULL with several queues */
    char **queue_names; /* sorted, each once; NULL with queue_name */
    int64_t poll_interval_ms, max_jobs, max_runtime_ms, num_total_jobs, max_active_ms;
    int64_t job_num_cpus;
    char *job_memory, *disk_space;
    bool keep_workspaces;
    bool use_firecracker, add_host_gateway;
    enum lx_maybe use_kubernetes;
    char *hostname;
    char *node_exporter_url, *registry_exporter_url;
    char *ca_file;
    int64_t http_timeout_ms, http_retries, http_delay_ms, http_delay_max_ms, http_retry_after_ms;

    /* Kubernetes */
    char *kube_config_path, *home;
    char *service_host, *service_port;
    char *ns;
    char *node_name;
    json_t *node_selector, *match_expressions, *match_fields;
    json_t *pod_affinity, *pod_anti_affinity, *tolerations;
    enum lx_maybe single_pod;
    bool shared_volume; /* the layout: a volume shared with the executor, or one pod a job */
    char *claim_name;   /* of the shared volume */
    char *limit_cpu, *limit_memory, *request_cpu, *request_memory;
    int64_t job_deadline_s;
    bool keep_jobs, host_network;
    int64_t run_as_user, run_as_group, fs_group; /* -1: unset */
    char *volume_type, *volume_size, *storage_class;
    json_t *additional_volumes, *additional_mounts;
    char *step_image, *git_ca_cert;
    json_t *job_annotations, *pod_annotations;
    json_t *pull_secrets; /* array of names */
    char *pull_policy;
    json_t *security_context;

    /* Lunexec's own */
    char *state_dir;
    int64_t sweep_interval_ms;
    char *network_profile;
    json_t *network_frontend, *network_dns, *network_listed, *network_blocked;
    bool user_namespaces;
    bool self_restriction;
    char *policy_dir, *policy_shadow_dir, *library_dir, *firewall_profile, *guardrails, *spool_dir,
        *workspace_dir, *listen, *reported_version;
    bool policy_dry_run;
    int64_t job_ttl_ms; /* 0: unset */
    char *maximum_cpu, *maximum_memory;
    int64_t log_update_interval_ms, log_limit_step, log_limit_job, spool_limit;
    char *mask_patterns;
    enum lx_level log_level;
    enum lx_log_format log_format;
};

/* Where settings come from. */
struct lx_env {
    char *const *vars;   /* NAME=value, NULL-terminated */
    const char *program; /* base name of argv[0]: NAME_<program>, with "_" for "-", goes before NAME
                            (contract 3.1); NULL: none */
};

/* Reads everything. On failure `problems` has (appended) one line a problem, naming variable and
 * value, secrets as ***; returns -1. Release with lx_settings_done in both cases. */
int lx_settings_read(struct lx_settings *ret_settings, const struct lx_env *env,
                     struct lx_buf *problems);
void lx_settings_done(struct lx_settings *settings);

/* Overwrites the values of secret settings in the environment's own memory, from where anybody of
 * the same user could read them, and child processes inherit them; they count as unset then. */
void lx_settings_scrub(const struct lx_env *env);

/* Appends one line for each variable that has no meaning here but nearly the name of one that has;
 * those that Kubernetes makes of Services are none of our business (operations 12b). */
void lx_settings_warnings(const struct lx_env *env, struct lx_buf *warnings);

/* What the policy gets as its `settings`; see lua/lunexec/types.lua. The caller owns it. */
json_t *lx_settings_for_policy(const struct lx_settings *settings);

/* Appends the list of settings as text, for `run --help`; as Markdown for docs/settings.md. */
int lx_settings_help(struct lx_buf *out, bool markdown, struct lx_err *err);

/* ---- inside the settings' own files ---- */

/* The value of NAME_<program> or else of NAME, NULL when both are unset or empty. *ret_name (may be
 * NULL) is the name that was found. free() it; the value is borrowed. */
const char *lx_env_find(const struct lx_env *env, const char *name, char **ret_name);

enum lx_setting_type {
    LX_SET_STRING,
    LX_SET_INT,
    LX_SET_BOOL,
    LX_SET_MAYBE, /* a bool, or unset */
    LX_SET_DURATION,
    LX_SET_QUANTITY,
    LX_SET_URL,
    LX_SET_LIST,  /* comma-separated; a json array if the policy gets it, else char ** */
    LX_SET_PAIRS, /* k=v,k=v */
    LX_SET_JSON_ARRAY,
    LX_SET_JSON_OBJECT,
    LX_SET_JSON_STRINGS, /* an object of strings */
    LX_SET_MOUNTS,       /* Docker's --mount values, separated by semicolons; checked only */
    LX_SET_LEVEL,
    LX_SET_FORMAT,
    LX_SET_BYTES, /* a byte count, plain or with a Kubernetes suffix */
};

/* A member that each object of a JSON array is checked for. */
struct lx_shape {
    const char *key; /* NULL ends a list */
    enum { LX_SHAPE_STRING, LX_SHAPE_INT, LX_SHAPE_STRINGS, LX_SHAPE_OBJECT } kind;
    bool required;       /* there, and not "" */
    const char *choices; /* "a|b" for strings; NULL: any */
};

#define LX_SETTING_UNUSED SIZE_MAX /* checked, then forgotten */

struct lx_setting {
    const char *name;
    const char *also; /* a further name, read when the first is unset; NULL: none */
    enum lx_setting_type type;
    bool secret;                  /* no message shows its value */
    size_t at;                    /* in struct lx_settings, or LX_SETTING_UNUSED */
    const char *fallback;         /* NULL: unset */
    const char *policy_key;       /* key in the policy's settings; NULL: not shown to the policy */
    const char *choices;          /* "a|b" for strings and lists; NULL: any */
    const struct lx_shape *shape; /* of the objects in a JSON array; NULL: any objects */
    int64_t min, max;             /* integers and durations (ms); both 0: any */
    const char *help;
};

struct lx_setting_group {
    const char *title;
    const struct lx_setting *settings;
    size_t n;
};

extern const struct lx_setting_group lx_settings_sourcegraph, lx_settings_kubernetes,
    lx_settings_lunexec, lx_settings_accepted;

/* Calls `fn` for every setting, group after group. */
void lx_settings_each(void (*fn)(const struct lx_setting *setting, void *arg), void *arg);
/* The groups; NULL-terminated. */
extern const struct lx_setting_group *const lx_setting_groups[];

#endif
