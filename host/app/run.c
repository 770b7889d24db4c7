#include "app/run.h"

#include "app/descriptors.h"
#include "app/health.h"
#include "app/parts.h"
#include "app/relay.h"
#include "app/reload.h"
#include "app/restrict.h"
#include "app/startup.h"
#include "app/state.h"
#include "lunexec/executor.h"
#include "lunexec/http.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_LABEL_MAX 256
/* Logs of containers that have ended, read while the next ones are followed. */
#define LOGS_ENDING 64
#define WARNINGS_MAX ((size_t)256 * 1024)

struct app {
    struct lx_settings settings;
    struct lx_kube_config kube_config;
    char *new_name;            /* the executor's, when no state directory has one */
    const char *executor_name; /* what it is called */
    struct lx_state *state;    /* NULL: none */
    char *queue_label, *git_version;
    json_t *policy_settings;
    struct lx_guardrails *guardrails;
    char *const *environment; /* ours, for git */
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_signal *signals[4];
    struct lx_http *http, *beat_http;
    struct lx_metrics *metrics;
    struct lx_health *health;
    struct lx_relay *relay;
    struct lx_kube *kube;
    struct lx_reload *reload;
    struct lx_startup *git, *ping;
    struct lx_queue *queue;
    struct lx_executor *executor;
    struct lx_restriction restriction;
    bool stopping;
    int status;
};

static void fail(struct app *app, const char *text)
{
    fprintf(stderr, "lunexec: %s\n", text);
    app->status = 1;
    lx_loop_stop(app->loop);
}

/* The first signal drains, the second stops the running jobs (contract 4). */
static void on_signal(void *arg, int signum)
{
    struct app *app = arg;
    bool again = app->stopping;
    app->stopping = true;
    lx_health_set_ready(app->health, false);
    lx_log(app->log, LX_LOG_INFO, again ? "stopping" : "draining", LX_INT("signal", signum));
    if (!app->executor)
        lx_loop_stop(app->loop);
    else if (again)
        lx_executor_stop(app->executor);
    else
        lx_executor_drain(app->executor);
}

static void hand_over(void *arg)
{
    struct app *app = arg;
    lx_health_set_ready(app->health, false);
    if (app->executor)
        lx_executor_hand_over(app->executor);
    else
        lx_loop_stop(app->loop);
}

/* SIGUSR2 */
static void on_handover(void *arg, int signum)
{
    struct app *app = arg;
    bool waits = app->settings.state_dir && !app->executor;
    if (waits || (app->state && lx_state_journal(app->state))) {
        lx_log(app->log, LX_LOG_INFO, "asked to hand over", LX_INT("signal", signum));
        hand_over(app);
    } else {
        lx_log(app->log, LX_LOG_WARN,
               "SIGUSR2 is ignored: without LUNEXEC_STATE_DIR nobody can go on with the jobs");
    }
}

static void on_asked(void *arg)
{
    struct app *app = arg;
    lx_log(app->log, LX_LOG_INFO, "another process asks for the state directory, handing over");
    hand_over(app);
}

static void on_idle(void *arg)
{
    struct app *app = arg;
    lx_loop_stop(app->loop);
}

static struct lx_executor_opts executor_opts(struct app *app)
{
    struct lx_executor_opts opts = lx_app_executor_opts(&app->settings, app->policy_settings);
    opts.loop = app->loop;
    opts.log = app->log;
    opts.queue = app->queue;
    opts.kube = app->kube;
    opts.policy = app->reload ? lx_reload_policy(app->reload) : NULL;
    opts.metrics = app->metrics;
    opts.http = app->http;
    opts.executor_name = app->executor_name;
    opts.journal = app->state ? lx_state_journal(app->state) : NULL;
    opts.queue_label = app->queue_label;
    opts.environment = app->environment;
    opts.guardrails = app->guardrails;
    opts.on_idle = on_idle;
    opts.arg = app;
    return opts;
}

static int open_queue(struct app *app, struct lx_err *err)
{
    const struct lx_settings *s = &app->settings;
    const char *single[] = {s->queue_name, NULL};
    struct lx_queue_opts opts = {
        .frontend_url = s->frontend_url,
        .password = s->password,
        .queues = s->queue_name ? single : (const char *const *)s->queue_names,
        .multi = !s->queue_name,
        .executor_name = app->executor_name,
        .version = s->reported_version,
        .git_version = app->git_version,
        .num_cpus = s->job_num_cpus,
        .memory = s->job_memory,
        .disk_space = s->disk_space,
        .metrics = app->metrics,
        .beat_http = app->beat_http,
        .attempts = (unsigned)s->http_retries + 1,
        .delay_ms = (uint64_t)s->http_delay_ms,
        .delay_max_ms = (uint64_t)s->http_delay_max_ms,
        .retry_after_ms = (uint64_t)s->http_retry_after_ms,
        .timeout_ms = (uint64_t)s->http_timeout_ms,
    };
    return lx_queue_new(app->loop, app->http, &opts, app->log, &app->queue, err);
}

static json_t *policy_status(void *arg)
{
    const struct app *app = arg;
    return lx_reload_status(app->reload);
}

static void without_state(struct app *app, const char *why)
{
    lx_log(app->log, LX_LOG_WARN,
           "running without a state directory: jobs that run when this process dies are lost, and "
           "an upgrade has to wait for them",
           LX_STR("LUNEXEC_STATE_DIR", app->settings.state_dir), LX_STR("error", why));
}

static void begin(struct app *app)
{
    struct lx_executor_opts opts = executor_opts(app);
    struct lx_err err;
    if (lx_executor_new(&opts, &app->executor, &err) < 0) {
        fail(app, err.text);
        return;
    }
    lx_log(app->log, LX_LOG_INFO, "ready", LX_STR("executor", app->executor_name),
           LX_STR("queue", app->queue_label), LX_STR("policy", lx_policy_hash(opts.policy)));
    lx_reload_attach(app->reload, app->executor);
    lx_health_set_ready(app->health, true);
    lx_executor_start(app->executor);
}

static void on_state(void *arg, const struct lx_err *err)
{
    struct app *app = arg;
    if (err)
        without_state(app, err->text);
    else
        app->executor_name = lx_state_name(app->state);
    lx_queue_set_executor_name(app->queue, app->executor_name);
    begin(app);
}

/* Only who can take the jobs of another process over asks it for them. */
static void on_ping(void *arg, const struct lx_err *err)
{
    struct app *app = arg;
    struct lx_state_opts opts = {
        .loop = app->loop,
        .log = app->log,
        .dir = app->settings.state_dir,
        .new_name = app->new_name,
        .ready = on_state,
        .asked = on_asked,
        .arg = app,
    };
    if (err) {
        lx_auto(str) char *text =
            lx_strf("the frontend refuses EXECUTOR_FRONTEND_PASSWORD \"***\", "
                    "is it the executors.accessToken of the site "
                    "configuration? (%s)",
                    err->text);
        fail(app, text);
    } else if (opts.dir) {
        app->state = lx_state_new(&opts);
    } else {
        without_state(app, NULL);
        begin(app);
    }
}

static void on_git_version(void *arg, const char *version)
{
    struct app *app = arg;
    struct lx_err err;
    app->git_version = lx_strdup(version);
    if (open_queue(app, &err) < 0) {
        fail(app, err.text);
        return;
    }
    /* Pings are heartbeats: under another name they would make an executor of their own. */
    lx_auto(str) char *name =
        app->settings.state_dir ? lx_state_peek_name(app->settings.state_dir) : NULL;
    if (name)
        lx_queue_set_executor_name(app->queue, name);
    app->ping =
        lx_startup_ping(app->loop, app->queue, app->settings.frontend_url, app->log, on_ping, app);
}

static void on_policy_ready(void *arg, const struct lx_err *err)
{
    struct app *app = arg;
    if (err) {
        lx_auto(str) char *text = lx_strf("the policy cannot be used: %s", err->text);
        fail(app, text);
        return;
    }
    lx_health_set_policy(app->health, policy_status, app);
    app->git = lx_startup_git(app->loop, app->environment, on_git_version, app);
}

static int open_policy(struct app *app, struct lx_err *err)
{
    struct lx_executor_opts executor = executor_opts(app);
    const struct lx_reload_opts opts = {
        .loop = app->loop,
        .log = app->log,
        .metrics = app->metrics,
        .settings = &app->settings,
        .executor = &executor,
        .ready = on_policy_ready,
        .arg = app,
    };
    return lx_reload_new(&opts, &app->reload, err);
}

static int name_executor(struct app *app, struct lx_err *err)
{
    char host[HOST_NAME_MAX + 1] = "executor", uuid[LX_UUID_SIZE];
    if (!app->settings.hostname)
        gethostname(host, sizeof host - 1);
    if (lx_uuid4(uuid, err) < 0)
        return -1;
    app->new_name = lx_strf("%s-%s", app->settings.hostname ? app->settings.hostname : host, uuid);
    app->executor_name = app->new_name;
    if (app->settings.queue_name) {
        app->queue_label = lx_strdup(app->settings.queue_name);
    } else {
        lx_auto(buf) struct lx_buf label = LX_BUF_INIT(QUEUE_LABEL_MAX);
        for (char **name = app->settings.queue_names; *name; name++)
            lx_buf_addf(&label, NULL, "%s%s", label.len ? "_" : "", *name);
        app->queue_label = lx_buf_take(&label);
    }
    return 0;
}

static void open_health(struct app *app)
{
    struct lx_err err;
    if (lx_streq(app->settings.listen, "off"))
        return;
    /* Nothing depends on this port (operations 12c), so a taken one is no reason to stop. */
    if (lx_health_new(app->loop, app->settings.listen, app->metrics, &app->health, &err) < 0)
        lx_log(app->log, LX_LOG_WARN, "no /metrics and /healthz", LX_ERR(&err));
}

static void open_relay(struct app *app)
{
    struct lx_relay_opts opts = {
        .loop = app->loop,
        .http = app->http,
        .log = app->log,
        .metrics = app->metrics,
        .node_url = app->settings.node_exporter_url,
        .registry_url = app->settings.registry_exporter_url,
    };
    if (opts.node_url || opts.registry_url)
        app->relay = lx_relay_new(&opts);
}

/* Two of the original's that stay 0 here: nothing is locked (contract 10). */
static void add_metrics(struct lx_metrics *metrics)
{
    static const struct lx_metric_def defs[] = {
        {"src_executor_run_lock_wait_total", "Time spent waiting for the run lock.", LX_COUNTER,
         NULL, NULL},
        {"src_executor_run_lock_held_total", "Time the run lock was held.", LX_COUNTER, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof defs / sizeof *defs; i++)
        lx_metric_add(metrics, &defs[i]);
}

static int open_all(struct app *app, struct lx_err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    app->policy_settings = lx_settings_for_policy(&app->settings);
    app->metrics = lx_metrics_new();
    add_metrics(app->metrics);
    if (name_executor(app, err) < 0 ||
        lx_guardrails_parse(app->settings.guardrails, &app->guardrails, err) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        if (lx_signal_new(app->loop, signals[i], on_signal, app, &app->signals[i], err) < 0)
            return -1;
    }
    if (lx_signal_new(app->loop, SIGUSR2, on_handover, app, &app->signals[3], err) < 0)
        return -1;
    if (lx_app_http(app->loop, &app->settings, &app->http, err) < 0 ||
        lx_app_http(app->loop, &app->settings, &app->beat_http, err) < 0 ||
        lx_kube_new(app->loop, &app->kube_config, app->log, &app->kube, err) < 0 ||
        open_policy(app, err) < 0)
        return -1;
    open_relay(app);
    open_health(app);
    return 0;
}

static void close_all(struct app *app)
{
    lx_executor_free(app->executor);
    lx_state_free(app->state);
    lx_startup_free(app->ping);
    lx_startup_free(app->git);
    lx_queue_free(app->queue);
    lx_reload_free(app->reload);
    lx_health_free(app->health);
    lx_relay_free(app->relay);
    lx_kube_free(app->kube);
    lx_http_free(app->beat_http);
    lx_http_free(app->http);
    for (size_t i = 0; i < 4; i++)
        lx_signal_free(app->signals[i]);
    lx_metrics_free(app->metrics);
    json_decref(app->policy_settings);
    lx_guardrails_free(app->guardrails);
    free(app->new_name);
    free(app->queue_label);
    free(app->git_version);
}

static int run_loop(struct app *app)
{
    struct lx_err err;
    if (lx_http_global_init(&err) < 0 || lx_loop_new(&app->loop, &err) < 0) {
        fprintf(stderr, "lunexec: %s\n", err.text);
        return 1;
    }
    if (open_all(app, &err) < 0) {
        fail(app, err.text);
    } else {
        lx_restrict_report(&app->restriction, app->log);
        lx_loop_run(app->loop);
    }
    close_all(app);
    lx_loop_free(app->loop);
    lx_http_global_done();
    return app->status;
}

static void log_warnings(struct app *app, const struct lx_env *env)
{
    lx_auto(buf) struct lx_buf warnings = LX_BUF_INIT(WARNINGS_MAX);
    lx_settings_warnings(env, &warnings);
    lx_auto(strv) char **lines = lx_split(lx_buf_str(&warnings), '\n');
    for (char **line = lines; *line && **line; line++)
        lx_log(app->log, LX_LOG_WARN, *line);
}

int lx_run_main(const struct lx_env *env)
{
    struct app app = {.environment = env->vars};
    int status = 1;
    if (lx_app_configure(env, &app.settings, &app.kube_config) == 0) {
        app.log = lx_log_new(STDERR_FILENO, app.settings.log_level, app.settings.log_format);
        lx_settings_scrub(env);
        log_warnings(&app, env);
        lx_app_descriptors(app.log, app.settings.max_jobs);
        app.kube_config.max_logs = (unsigned)app.settings.max_jobs + LOGS_ENDING;
        lx_auto(str) char *layout = lx_app_settle_layout(&app.settings);
        if (layout)
            lx_log(app.log, LX_LOG_WARN, layout);
        lx_restrict_self(&app.settings, env, &app.restriction);
        status = run_loop(&app);
        lx_log_free(app.log);
    }
    lx_kube_config_done(&app.kube_config);
    lx_settings_done(&app.settings);
    return status;
}
