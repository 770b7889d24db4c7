#include "app/validate.h"

#include "app/parts.h"
#include "app/startup.h"
#include "app/validate_cluster.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AUTH_TIMEOUT_MS 10000
#define GIT_MAJOR 2
#define GIT_MINOR 26

struct validate {
    struct lx_settings settings;
    char *const *environment; /* ours, for git */
    struct lx_kube_config kube_config;
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_http *http;
    struct lx_kube *kube;
    struct lx_policy *policy;
    struct lx_startup *git;
    struct lx_validate_cluster *cluster;
    unsigned pending;
    int status;
};

static void problem(struct validate *v, const char *text)
{
    fprintf(stderr, "lunexec: %s\n", text);
    v->status = 1;
}

static void check_done(struct validate *v)
{
    if (--v->pending == 0)
        lx_loop_stop(v->loop);
}

/* ---- git ---- */

static bool git_is_new_enough(const char *version)
{
    int64_t major, minor;
    lx_auto(strv) char **parts = lx_split(version, '.');
    if (lx_strv_len(parts) < 2 || lx_parse_i64(parts[0], &major) < 0 ||
        lx_parse_i64(parts[1], &minor) < 0)
        return false;
    return major > GIT_MAJOR || (major == GIT_MAJOR && minor >= GIT_MINOR);
}

static void on_git_version(void *arg, const char *version)
{
    struct validate *v = arg;
    if (!*version) {
        problem(v, "git cannot be run, install at least git 2.26");
    } else if (!git_is_new_enough(version)) {
        lx_auto(str) char *text = lx_strf("git version is too old, install at least git 2.26, "
                                          "current version: %s",
                                          version);
        problem(v, text);
    }
    check_done(v);
}

/* ---- the frontend ---- */

static void on_auth(void *arg, const struct lx_http_result *result)
{
    struct validate *v = arg;
    lx_auto(str) char *text = NULL;
    if (result->reach != LX_HTTP_ANSWERED)
        text = lx_strf("failed to validate authorization token: EXECUTOR_FRONTEND_URL \"%s\": %s",
                       v->settings.frontend_url, result->err.text);
    else if (result->status == 401)
        text = lx_strdup("failed to authorize with frontend, is executors.accessToken set "
                         "correctly in the site-config?");
    else if (result->status != 200)
        text = lx_strf("failed to validate authorization token: unexpected status code %ld",
                       result->status);
    if (text)
        problem(v, text);
    check_done(v);
}

static int ask_frontend(struct validate *v, struct lx_err *err)
{
    lx_auto(str) char *url = lx_url_join(v->settings.frontend_url, "/.executors/test/auth");
    lx_auto(str) char *auth = lx_strf("Authorization: token-executor %s", v->settings.password);
    const char *headers[] = {"Content-Type: application/json", auth, NULL};
    struct lx_http_req req = {
        .url = url,
        .headers = headers,
        .timeout_ms = AUTH_TIMEOUT_MS,
        .on_done = on_auth,
        .arg = v,
    };
    return lx_http_start(v->http, &req, NULL, err);
}

/* ---- the policy and the cluster ---- */

static void on_policy_ready(void *arg, const struct lx_err *err)
{
    struct validate *v = arg;
    if (err) {
        lx_auto(str) char *text = lx_strf("the policy cannot be used: %s", err->text);
        problem(v, text);
    }
    check_done(v);
}

static int load_policy(struct validate *v, struct lx_err *err)
{
    struct lx_bundle *bundle = NULL;
    struct lx_policy_opts opts = {0};
    if (lx_app_bundle(&v->settings, &bundle, err) < 0)
        return -1;
    return lx_policy_new(v->loop, bundle, &opts, v->log, on_policy_ready, v, &v->policy, err);
}

static void on_cluster_problem(void *arg, const char *text)
{
    problem(arg, text);
}

static void on_cluster_done(void *arg)
{
    check_done(arg);
}

/* ---- folders ---- */

static void check_folder(struct validate *v, const char *setting, const char *path)
{
    if (access(path, W_OK | X_OK) == 0)
        return;
    lx_auto(str) char *text =
        lx_strf("%s \"%s\": cannot be written to: %s", setting, path, strerror(errno));
    problem(v, text);
}

/* ---- all of it ---- */

/* Counts the check as underway, or tells why it could not start. */
static void started(struct validate *v, int rc, const struct lx_err *err)
{
    if (rc == 0)
        v->pending++;
    else
        problem(v, err->text);
}

static void start(struct validate *v)
{
    struct lx_err err;
    bool pvc = !v->settings.shared_volume && lx_streq(v->settings.volume_type, "pvc");
    check_folder(v, "LUNEXEC_SPOOL_DIR", v->settings.spool_dir);
    if (v->settings.shared_volume)
        check_folder(v, "LUNEXEC_WORKSPACE_DIR", v->settings.workspace_dir);
    v->git = lx_startup_git(v->loop, v->environment, on_git_version, v);
    v->pending++;
    if (lx_app_http(v->loop, &v->settings, &v->http, &err) < 0)
        problem(v, err.text);
    else
        started(v, ask_frontend(v, &err), &err);
    started(v, load_policy(v, &err), &err);
    if (lx_kube_new(v->loop, &v->kube_config, v->log, &v->kube, &err) < 0) {
        problem(v, err.text);
        return;
    }
    struct lx_validate_cluster_opts opts = {
        .kube = v->kube,
        .config = &v->kube_config,
        .ns = v->settings.ns,
        .secrets = !v->settings.shared_volume,
        .claims = pvc,
        .on_problem = on_cluster_problem,
        .on_done = on_cluster_done,
        .arg = v,
    };
    v->cluster = lx_validate_cluster(&opts);
    v->pending++;
}

static void run(struct validate *v)
{
    struct lx_err err;
    if (lx_http_global_init(&err) < 0 || lx_loop_new(&v->loop, &err) < 0) {
        problem(v, err.text);
        return;
    }
    start(v);
    if (v->pending > 0)
        lx_loop_run(v->loop);
    lx_validate_cluster_free(v->cluster);
    lx_policy_free(v->policy);
    lx_startup_free(v->git);
    lx_kube_free(v->kube);
    lx_http_free(v->http);
    lx_loop_free(v->loop);
    lx_http_global_done();
}

static void print_warnings(const struct lx_env *env)
{
    lx_auto(buf) struct lx_buf warnings = LX_BUF_INIT((size_t)256 * 1024);
    lx_settings_warnings(env, &warnings);
    lx_auto(strv) char **lines = lx_split(lx_buf_str(&warnings), '\n');
    for (char **line = lines; *line && **line; line++)
        fprintf(stderr, "lunexec: warning: %s\n", *line);
}

int lx_validate_main(const struct lx_env *env)
{
    struct validate v = {.environment = env->vars};
    print_warnings(env);
    if (lx_app_configure(env, &v.settings, &v.kube_config) < 0) {
        v.status = 1;
    } else {
        lx_auto(str) char *layout = lx_app_settle_layout(&v.settings);
        if (layout)
            fprintf(stderr, "lunexec: warning: %s\n", layout);
        v.log = lx_log_new(STDERR_FILENO, LX_LOG_ERROR, v.settings.log_format);
        run(&v);
        lx_log_free(v.log);
    }
    if (v.status == 0)
        puts("All checks passed!");
    lx_kube_config_done(&v.kube_config);
    lx_settings_done(&v.settings);
    return v.status;
}
