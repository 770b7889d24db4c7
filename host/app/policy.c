#include "app/policy.h"

#include "app/parts.h"
#include "app/paths.h"
#include "lunexec/policytool.h"
#include "lunexec/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PROBLEMS_MAX ((size_t)256 * 1024)

static const char *const placeholders[] = {
    "EXECUTOR_FRONTEND_URL=https://sourcegraph.example.com",
    "EXECUTOR_FRONTEND_PASSWORD=frontend-password-placeholder",
    "EXECUTOR_QUEUE_NAME=batches",
};

#define N_PLACEHOLDERS (sizeof placeholders / sizeof *placeholders)

static bool is_set(const struct lx_env *env, const char *pair)
{
    lx_auto(str) char *name = lx_strndup(pair, (size_t)(strchrnul(pair, '=') - pair));
    if (lx_streq(name, "EXECUTOR_QUEUE_NAME") && lx_env_find(env, "EXECUTOR_QUEUE_NAMES", NULL))
        return true;
    return lx_env_find(env, name, NULL) != NULL;
}

/* The environment with placeholders before it, since the first of a name counts. free(). */
static const char **complete(const struct lx_env *env)
{
    size_t n = lx_strv_len(env->vars), at = 0;
    const char **vars = lx_alloc_array(n + N_PLACEHOLDERS + 1, sizeof *vars);
    for (size_t i = 0; i < N_PLACEHOLDERS; i++) {
        if (!is_set(env, placeholders[i]))
            vars[at++] = placeholders[i];
    }
    for (size_t i = 0; i < n; i++)
        vars[at++] = env->vars[i];
    return vars;
}

static int read_settings(const struct lx_env *env, struct lx_settings *settings)
{
    lx_auto(buf) struct lx_buf problems = LX_BUF_INIT(PROBLEMS_MAX);
    const char **vars = complete(env);
    struct lx_env completed = {.vars = (char *const *)(uintptr_t)vars, .program = env->program};
    int result = lx_settings_read(settings, &completed, &problems);
    free(vars);
    lx_auto(strv) char **lines = lx_split(lx_buf_str(&problems), '\n');
    for (char **line = lines; *line && **line; line++)
        fprintf(stderr, "lunexec: %s\n", *line);
    return result;
}

static int find_cluster(const void *arg, struct lx_kube_config *ret_config, struct lx_err *err)
{
    return lx_app_cluster(arg, ret_config, err);
}

static int run_tool(const struct lx_env *env, const struct lx_settings *s, int argc, char **argv,
                    struct lx_err *err)
{
    lx_auto(str) char *data = NULL;
    struct lx_guardrails *guardrails = NULL;
    if (lx_app_data_dir(&data, err) < 0 && !(s->policy_dir && s->library_dir))
        return -1;
    if (lx_guardrails_parse(s->guardrails, &guardrails, err) < 0)
        return lx_wrap(err, "LUNEXEC_GUARDRAILS");
    const char *base = data ? data : "";
    lx_auto(str) char *scripts = data ? lx_path_join(data, "scripts") : NULL;
    lx_auto(str) char *library =
        s->library_dir ? lx_strdup(s->library_dir) : lx_path_join(base, "lua");
    lx_auto(json) json_t *policy_settings = lx_settings_for_policy(s);
    struct lx_policytool host = {
        .executor = lx_app_executor_opts(s, policy_settings),
        .queue = s->queue_name ? s->queue_name : s->queue_names[0],
        .policy_dir = s->policy_dir ? s->policy_dir : scripts,
        .scripts_dir = scripts,
        .library_dir = library,
        .environment = env->vars,
        .find_cluster = find_cluster,
        .arg = s,
    };
    host.executor.executor_name = s->hostname ? s->hostname : "executor";
    host.executor.guardrails = guardrails;
    int status = lx_policytool_main(&host, argc, argv);
    lx_guardrails_free(guardrails);
    return status;
}

int lx_policy_main(const struct lx_env *env, int argc, char **argv)
{
    struct lx_settings settings;
    struct lx_err err;
    int status = 2;
    if (read_settings(env, &settings) == 0) {
        status = run_tool(env, &settings, argc, argv, &err);
        if (status < 0) {
            fprintf(stderr, "lunexec: %s\n", err.text);
            status = 2;
        }
    }
    lx_settings_done(&settings);
    return status;
}
