#include "app/reload.h"

#include "app/generation.h"
#include "app/parts.h"
#include "app/paths.h"
#include "lunexec/policytool.h"
#include "lunexec/preview.h"
#include "lunexec/text.h"

struct lx_reload {
    struct lx_reload_opts opts;
    struct lx_executor_opts executor_opts;
    struct lx_generation *active, *shadow; /* shadow NULL: none is set */
    struct lx_policy *first;               /* the active one, while it loads for the first time */
    struct lx_policy *standard;            /* the default policy; NULL: the active one is it */
    struct lx_executor *executor;          /* NULL: not attached yet */
};

static json_t *samples(const struct lx_reload *reload)
{
    json_t *tasks = json_array();
    for (size_t i = 0;; i++) {
        lx_auto(job) struct lx_job *job = NULL;
        json_t *task = NULL;
        if (lx_policytool_sample(i, NULL, &job, NULL) < 0)
            return tasks;
        if (lx_preview_arguments(&reload->executor_opts, job, &task, NULL) == 0)
            json_array_append_new(tasks, task);
    }
}

/* What a new policy is tried on: a sample of every kind, and what came last. */
static json_t *trial_tasks(void *arg)
{
    const struct lx_reload *reload = arg;
    json_t *tasks = samples(reload);
    if (reload->executor) {
        lx_auto(json) json_t *recent = lx_executor_recent(reload->executor);
        json_array_extend(tasks, recent);
    }
    return tasks;
}

static void hand_over(struct lx_reload *reload)
{
    if (!reload->executor)
        return;
    lx_executor_use_policy(reload->executor, LX_POLICY_ACTIVE,
                           lx_generation_policy(reload->active));
    lx_executor_use_policy(reload->executor, LX_POLICY_DEFAULT, reload->standard);
    if (reload->shadow)
        lx_executor_use_policy(reload->executor, LX_POLICY_SHADOW,
                               lx_generation_policy(reload->shadow));
}

static void on_loaded(void *arg)
{
    hand_over(arg);
}

static void on_first_ready(void *arg, const struct lx_err *err)
{
    struct lx_reload *reload = arg;
    if (!err) {
        lx_generation_start(reload->active, reload->first);
        lx_policy_free(lx_take(reload->first));
        if (reload->shadow)
            lx_generation_start(reload->shadow, NULL);
    }
    reload->opts.ready(reload->opts.arg, err);
}

static void on_standard_ready(void *arg, const struct lx_err *err)
{
    struct lx_reload *reload = arg;
    if (!err)
        return;
    lx_log(reload->opts.log, LX_LOG_WARN, "the bundled scripts cannot be compared with",
           LX_ERR(err));
    lx_policy_free(lx_take(reload->standard));
    hand_over(reload);
}

/* Only where the operator has scripts of his own is there anything to compare. */
static void open_standard(struct lx_reload *reload, const char *scripts, const char *library)
{
    const struct lx_policy_opts opts = {0};
    struct lx_bundle *bundle = NULL;
    struct lx_err err;
    if (lx_bundle_load(scripts, NULL, library, &bundle, &err) < 0 ||
        lx_policy_new(reload->opts.loop, bundle, &opts, reload->opts.log, on_standard_ready, reload,
                      &reload->standard, &err) < 0)
        lx_log(reload->opts.log, LX_LOG_WARN, "the bundled scripts cannot be compared with",
               LX_ERR(&err));
}

static void open_generations(struct lx_reload *reload, const char *scripts, const char *library)
{
    const struct lx_settings *s = reload->opts.settings;
    static const char *const name_only[] = {"use", NULL};
    static const char *const name_result[] = {"use", "result", NULL};
    static const struct lx_metric_def defs[] = {
        {"lunexec_policy_reloads_total", "Changes of a policy's directory.", LX_COUNTER,
         name_result, NULL},
        {"lunexec_policy_refused", "1 while the directory holds a policy that was refused.",
         LX_GAUGE, name_only, NULL},
        {"lunexec_policy_loaded_timestamp_seconds", "When the policy in use was loaded.", LX_GAUGE,
         name_only, NULL},
    };
    struct lx_generation_opts opts = {
        .name = "active",
        .loop = reload->opts.loop,
        .log = reload->opts.log,
        .reloads = lx_metric_add(reload->opts.metrics, &defs[0]),
        .refused = lx_metric_add(reload->opts.metrics, &defs[1]),
        .loaded_at = lx_metric_add(reload->opts.metrics, &defs[2]),
        .policy_dir = s->policy_dir ? s->policy_dir : scripts,
        .scripts_dir = scripts,
        .library_dir = library,
        .tried = true,
        .dry_run = s->policy_dry_run,
        .executor = &reload->executor_opts,
        .tasks = trial_tasks,
        .on_loaded = on_loaded,
        .arg = reload,
    };
    reload->active = lx_generation_new(&opts);
    if (!s->policy_shadow_dir)
        return;
    opts.name = "shadow";
    opts.policy_dir = s->policy_shadow_dir;
    opts.tried = false;
    reload->shadow = lx_generation_new(&opts);
}

int lx_reload_new(const struct lx_reload_opts *opts, struct lx_reload **ret_reload,
                  struct lx_err *err)
{
    const struct lx_settings *s = opts->settings;
    const struct lx_policy_opts policy_opts = {0};
    struct lx_bundle *bundle = NULL;
    lx_auto(str) char *data = NULL;
    struct lx_err no_data;
    if (lx_app_bundle(s, &bundle, err) < 0)
        return -1;
    bool installed = lx_app_data_dir(&data, &no_data) == 0;
    lx_auto(str) char *scripts = installed ? lx_path_join(data, "scripts") : NULL;
    lx_auto(str) char *library =
        s->library_dir ? lx_strdup(s->library_dir) : lx_path_join(installed ? data : "", "lua");
    struct lx_reload *reload = lx_alloc(sizeof *reload);
    reload->opts = *opts;
    reload->executor_opts = *opts->executor;
    open_generations(reload, scripts, library);
    if (s->policy_dir && installed)
        open_standard(reload, scripts, library);
    if (lx_policy_new(opts->loop, bundle, &policy_opts, opts->log, on_first_ready, reload,
                      &reload->first, err) < 0) {
        lx_reload_free(reload);
        return -1;
    }
    *ret_reload = reload;
    return 0;
}

void lx_reload_free(struct lx_reload *reload)
{
    if (!reload)
        return;
    lx_generation_free(reload->active);
    lx_generation_free(reload->shadow);
    lx_policy_free(reload->first);
    lx_policy_free(reload->standard);
    free(reload);
}

struct lx_policy *lx_reload_policy(const struct lx_reload *reload)
{
    return lx_generation_policy(reload->active);
}

void lx_reload_attach(struct lx_reload *reload, struct lx_executor *executor)
{
    reload->executor = executor;
    hand_over(reload);
}

json_t *lx_reload_status(const struct lx_reload *reload)
{
    return json_pack("{s:o, s:o}", "active", lx_generation_status(reload->active), "shadow",
                     reload->shadow ? lx_generation_status(reload->shadow) : json_null());
}
