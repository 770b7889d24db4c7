/*
 * Names that nearly are settings.
 */
#include "app/settings.h"

#include "lunexec/text.h"

#include <ctype.h>
#include <string.h>

static bool is_ours(const char *name)
{
    return lx_starts_with(name, "EXECUTOR_") || lx_starts_with(name, "KUBERNETES_") ||
           lx_starts_with(name, "LUNEXEC_");
}

/* <SERVICE>_SERVICE_HOST, _SERVICE_PORT[_<NAME>], _PORT and _PORT_<n>_<PROTO>[_PROTO|_PORT|_ADDR]:
 * what the kubelet makes of every Service of the namespace. */
static bool is_service_link(const char *name)
{
    const char *port = strstr(name, "_PORT");
    if (lx_ends_with(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT"))
        return true;
    for (; port; port = strstr(port + 1, "_PORT")) {
        const char *rest = port + strlen("_PORT");
        if (*rest == '\0' || (*rest == '_' && isdigit((unsigned char)rest[1])))
            return true;
    }
    return false;
}

struct search {
    const char *name;
    const char *best;
    size_t distance;
    bool known;
};

static void compare(struct search *s, const char *known)
{
    static const char prefix[] = "EXECUTOR_";
    if (!known || s->known)
        return;
    s->known = lx_streq(s->name, known);
    size_t limit = strlen(s->name) > 24 ? 3 : 2;
    size_t distance = lx_edit_distance(s->name, known, limit);
    /* A prefix too much or too little is the likeliest slip of all. */
    if ((lx_starts_with(s->name, prefix) && lx_streq(s->name + strlen(prefix), known)) ||
        (lx_starts_with(known, prefix) && lx_streq(s->name, known + strlen(prefix))))
        distance = 1;
    if (distance <= limit && distance < s->distance) {
        s->distance = distance;
        s->best = known;
    }
}

static void compare_one(const struct lx_setting *setting, void *arg)
{
    compare(arg, setting->name);
    compare(arg, setting->also);
}

/* The variable's name, without the part that is for this program only. free(). */
static char *plain_name(const struct lx_env *env, const char *var)
{
    char *name = lx_strndup(var, strcspn(var, "="));
    lx_auto(str) char *suffix = lx_strf("_%s", env->program ? env->program : "");
    for (char *c = suffix; *c; c++) {
        if (*c == '-')
            *c = '_';
    }
    if (suffix[1] && lx_ends_with(name, suffix))
        name[strlen(name) - strlen(suffix)] = '\0';
    return name;
}

void lx_settings_warnings(const struct lx_env *env, struct lx_buf *warnings)
{
    for (char *const *var = env->vars; var && *var; var++) {
        lx_auto(str) char *name = plain_name(env, *var);
        if (!is_ours(name) || is_service_link(name))
            continue;
        struct search search = {.name = name, .distance = SIZE_MAX};
        lx_settings_each(compare_one, &search);
        if (!search.known && search.best)
            lx_buf_addf(warnings, NULL, "%s is not a setting and is ignored: did you mean %s?\n",
                        name, search.best);
    }
}
