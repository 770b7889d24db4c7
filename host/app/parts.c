#include "app/parts.h"

#include "app/paths.h"
#include "lunexec/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROBLEMS_MAX ((size_t)256 * 1024)
/* At once, of the frontend: its log entries and files, clones; all jobs: what is asked in between.
 */
#define CONNECTIONS_PER_JOB 4u
#define CONNECTIONS_BASE 64u
static const char service_account[] = "/var/run/secrets/kubernetes.io/serviceaccount";

/* A path that was given must work; only in a pod a file that is not there is made up for by the
 * pod's own account, as the original does. */
static int explicit_cluster(const struct lx_settings *s, struct lx_kube_config *ret,
                            struct lx_err *err)
{
    struct lx_err reason = {0};
    if (lx_kube_config_file(s->kube_config_path, ret, &reason) == 0)
        return 0;
    if (reason.code == LX_E_NOT_FOUND && s->service_host && s->service_port &&
        lx_kube_config_pod(s->service_host, s->service_port, service_account, ret, NULL) == 0) {
        fprintf(stderr,
                "lunexec: warning: EXECUTOR_KUBERNETES_CONFIG_PATH \"%s\" is not there, the pod's "
                "service account is used\n",
                s->kube_config_path);
        return 0;
    }
    *err = reason;
    return lx_wrap(err, "invalid EXECUTOR_KUBERNETES_CONFIG_PATH \"%s\"", s->kube_config_path);
}

/* The path that was given; otherwise $HOME/.kube/config if it exists, else the pod's own
 * account (contract 3.3). */
int lx_app_cluster(const struct lx_settings *s, struct lx_kube_config *ret, struct lx_err *err)
{
    if (s->kube_config_path)
        return explicit_cluster(s, ret, err);
    lx_auto(str) char *path = s->home ? lx_path_join(s->home, ".kube/config") : NULL;
    if (path && access(path, F_OK) == 0) {
        if (lx_kube_config_file(path, ret, err) == 0)
            return 0;
        if (!s->service_host)
            return lx_wrap(err, "invalid %s", path);
    }
    if (s->service_host && s->service_port)
        return lx_kube_config_pod(s->service_host, s->service_port, service_account, ret, err);
    return lx_fail(
        err, LX_E_INVALID,
        "no Kubernetes credentials: EXECUTOR_KUBERNETES_CONFIG_PATH is not set, there is "
        "no $HOME/.kube/config, and this is not a pod (KUBERNETES_SERVICE_HOST and "
        "KUBERNETES_SERVICE_PORT are not set)");
}

int lx_app_configure(const struct lx_env *env, struct lx_settings *settings,
                     struct lx_kube_config *ret_cluster)
{
    lx_auto(buf) struct lx_buf problems = LX_BUF_INIT(PROBLEMS_MAX);
    struct lx_err err;
    int result = lx_settings_read(settings, env, &problems);
    if (lx_app_cluster(settings, ret_cluster, &err) < 0) {
        lx_buf_addf(&problems, NULL, "%s\n", err.text);
        result = -1;
    }
    lx_auto(strv) char **lines = lx_split(lx_buf_str(&problems), '\n');
    for (char **line = lines; *line && **line; line++)
        fprintf(stderr, "lunexec: %s\n", *line);
    return result;
}

char *lx_app_settle_layout(struct lx_settings *s)
{
    if (!s->shared_volume || s->single_pod != LX_UNSET ||
        access(s->workspace_dir, W_OK | X_OK) == 0)
        return NULL;
    s->shared_volume = false;
    return lx_strf(
        "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME is set, but %s cannot be written to "
        "(%s): each job gets one pod; KUBERNETES_SINGLE_JOB_POD says which is meant",
        s->workspace_dir, strerror(errno));
}

int lx_app_http(struct lx_loop *loop, const struct lx_settings *s, struct lx_http **ret_http,
                struct lx_err *err)
{
    unsigned connections = CONNECTIONS_BASE + CONNECTIONS_PER_JOB * (unsigned)s->max_jobs;
    struct lx_http_opts opts = {
        .ca_file = s->ca_file,
        .max_connections = connections,
        .max_connections_per_host = connections,
    };
    if (lx_http_new(loop, &opts, ret_http, err) < 0)
        return s->ca_file ? lx_wrap(err, "invalid SSL_CERT_FILE \"%s\"", s->ca_file) : -1;
    return 0;
}

int lx_app_bundle(const struct lx_settings *s, struct lx_bundle **ret_bundle, struct lx_err *err)
{
    lx_auto(str) char *data = NULL;
    if (lx_app_data_dir(&data, err) < 0 && !(s->policy_dir && s->library_dir))
        return -1;
    lx_auto(str) char *scripts = data ? lx_path_join(data, "scripts") : NULL;
    lx_auto(str) char *library =
        s->library_dir ? lx_strdup(s->library_dir) : lx_path_join(data, "lua");
    if (lx_bundle_load(s->policy_dir ? s->policy_dir : scripts, scripts, library, ret_bundle, err) <
        0)
        return s->policy_dir ? lx_wrap(err, "LUNEXEC_POLICY_DIR \"%s\"", s->policy_dir) : -1;
    return 0;
}

struct lx_executor_opts lx_app_executor_opts(const struct lx_settings *s,
                                             const json_t *policy_settings)
{
    return (struct lx_executor_opts){
        .frontend_url = s->frontend_url,
        .password = s->password,
        .queue_name = s->queue_name,
        .ns = s->ns,
        .step_image = s->step_image,
        .git_ca_cert = s->git_ca_cert,
        .shared_volume = s->shared_volume,
        .claim_name = s->claim_name,
        .workspace_dir = s->workspace_dir,
        .keep_workspaces = s->keep_workspaces,
        .volume_type = s->volume_type,
        .volume_size = s->volume_size,
        .storage_class = s->storage_class,
        .job_deadline_s = s->job_deadline_s,
        .keep_jobs = s->keep_jobs,
        .sweep_interval_ms = s->sweep_interval_ms,
        .spool_dir = s->spool_dir,
        .poll_interval_ms = s->poll_interval_ms,
        .max_jobs = s->max_jobs,
        .max_runtime_ms = s->max_runtime_ms,
        .num_total_jobs = s->num_total_jobs,
        .max_active_ms = s->max_active_ms,
        .log_update_interval_ms = s->log_update_interval_ms,
        .log_limit_step = s->log_limit_step,
        .log_limit_job = s->log_limit_job,
        .spool_limit = s->spool_limit,
        .max_cpu = s->maximum_cpu,
        .max_memory = s->maximum_memory,
        .mask_patterns = s->mask_patterns,
        .policy_settings = policy_settings,
    };
}
