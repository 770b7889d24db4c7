/*
 * Reading the environment: every problem is found, each gets one line (contract 3.1).
 */
#include "app/settings.h"

#include "app/settings_check.h"
#include "app/settings_value.h"
#include "lunexec/text.h"

#include <string.h>

/* The value of a variable; NULL when unset or empty, since charts render every key (operations
 * 12b). */
static const char *lookup(char *const *vars, const char *name)
{
    size_t len = strlen(name);
    for (; vars && *vars; vars++) {
        if (strncmp(*vars, name, len) == 0 && (*vars)[len] == '=')
            return (*vars)[len + 1] ? *vars + len + 1 : NULL;
    }
    return NULL;
}

const char *lx_env_find(const struct lx_env *env, const char *name, char **ret_name)
{
    lx_auto(str) char *own = lx_strf("%s_%s", name, env->program ? env->program : "");
    for (char *c = own; *c; c++) {
        if (*c == '-')
            *c = '_';
    }
    const char *value = env->program ? lookup(env->vars, own) : NULL;
    bool is_own = value != NULL;
    if (!is_own)
        value = lookup(env->vars, name);
    if (value && ret_name)
        *ret_name = is_own ? lx_take(own) : lx_strdup(name);
    return value;
}

struct reading {
    struct lx_settings *settings;
    const struct lx_env *env;
    struct lx_buf *problems;
    int result;
};

static void *member(struct lx_settings *settings, const struct lx_setting *setting)
{
    return (char *)settings + setting->at;
}

static void read_one(const struct lx_setting *setting, void *arg)
{
    struct reading *r = arg;
    struct lx_err err;
    union lx_setting_value unused = {0};
    lx_auto(str) char *name = NULL;
    const char *value = lx_env_find(r->env, setting->name, &name);
    if (!value && setting->also)
        value = lx_env_find(r->env, setting->also, &name);
    if (!value)
        value = setting->fallback;
    if (!value)
        return;
    bool used = setting->at != LX_SETTING_UNUSED;
    void *out = used ? member(r->settings, setting) : &unused;
    if (lx_setting_parse(setting, name ? name : setting->name, value, out, &err) < 0) {
        lx_buf_addf(r->problems, NULL, "%s\n", err.text);
        r->result = -1;
    } else if (!used) {
        lx_setting_free(setting, &unused);
    }
}

int lx_settings_read(struct lx_settings *settings, const struct lx_env *env,
                     struct lx_buf *problems)
{
    struct reading r = {.settings = settings, .env = env, .problems = problems};
    *settings = (struct lx_settings){0};
    lx_settings_each(read_one, &r);
    if (lx_settings_check(settings, env, problems) < 0)
        r.result = -1;
    return r.result;
}

static void scrub_one(const struct lx_setting *setting, void *arg)
{
    const struct lx_env *env = arg;
    const char *value;
    while (setting->secret && ((value = lx_env_find(env, setting->name, NULL)) ||
                               (setting->also && (value = lx_env_find(env, setting->also, NULL)))))
        explicit_bzero((char *)(uintptr_t)value, strlen(value));
}

void lx_settings_scrub(const struct lx_env *env)
{
    lx_settings_each(scrub_one, (void *)(uintptr_t)env);
}

static void free_one(const struct lx_setting *setting, void *arg)
{
    if (setting->at != LX_SETTING_UNUSED)
        lx_setting_free(setting, member(arg, setting));
}

void lx_settings_done(struct lx_settings *settings)
{
    lx_settings_each(free_one, settings);
    *settings = (struct lx_settings){0};
}
