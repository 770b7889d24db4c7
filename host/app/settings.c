/*
 * Reading the environment: every problem is found, each gets one line (contract 3.1).
 */
#include "app/settings.h"

#include "app/settings_check.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

/* The value of a variable; NULL when unset or empty, since charts render every key (operations
 * 12b). */
static const char *lookup(char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (; env && *env; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return (*env)[len + 1] ? *env + len + 1 : NULL;
    }
    return NULL;
}

static void *field(struct lx_settings *settings, const struct lx_setting *setting)
{
    return (char *)settings + setting->offset;
}

static int bad(struct lx_err *err, const struct lx_setting *setting, const char *value,
               const char *expected)
{
    return lx_fail(err, LX_E_INVALID, "invalid %s \"%s\": %s", setting->name,
                   setting->type == LX_SET_SECRET ? "***" : value, expected);
}

static bool is_choice(const char *choices, const char *value)
{
    lx_auto(strv) char **list = lx_split(choices, '|');
    for (char **it = list; *it; it++) {
        if (lx_streq(*it, value))
            return true;
    }
    return false;
}

static int set_string(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    if (s->choices && !is_choice(s->choices, value)) {
        lx_auto(str) char *text = lx_strf("must be one of %s", s->choices);
        return bad(err, s, value, text);
    }
    *(char **)out = lx_strdup(value);
    return 0;
}

static int set_number(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    int64_t number = 0;
    if (s->type == LX_SET_INT && lx_parse_i64(value, &number) < 0)
        return bad(err, s, value, "must be a whole number");
    if (s->type == LX_SET_DURATION && lx_parse_duration_ms(value, &number) < 0)
        return bad(err, s, value, "must be a duration such as 30s, 5m or 1h30m");
    if ((s->min != 0 || s->max != 0) && (number < s->min || number > s->max)) {
        char low[LX_DURATION_SIZE], high[LX_DURATION_SIZE];
        lx_format_duration(s->min, low);
        lx_format_duration(s->max, high);
        lx_auto(str) char *text =
            s->type == LX_SET_DURATION
                ? lx_strf("must be from %s to %s", low, high)
                : lx_strf("must be from %lld to %lld", (long long)s->min, (long long)s->max);
        return bad(err, s, value, text);
    }
    *(int64_t *)out = number;
    return 0;
}

static int set_bool(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    if (lx_parse_bool(value, out) < 0)
        return bad(err, s, value, "must be true or false");
    return 0;
}

static int set_quantity(const struct lx_setting *s, void *out, const char *value,
                        struct lx_err *err)
{
    if (!lx_is_quantity(value))
        return bad(err, s, value, "must be a Kubernetes quantity such as 500m, 2 or 12Gi");
    *(char **)out = lx_strdup(value);
    return 0;
}

static int set_list(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    lx_auto(strv) char **list = lx_split(value, ',');
    for (char **it = list; *it; it++) {
        if (**it == '\0')
            return bad(err, s, value, "has an empty item");
        if (s->choices && !is_choice(s->choices, *it)) {
            lx_auto(str) char *text =
                lx_strf("item \"%s\" must be one of %s, separated by commas", *it, s->choices);
            return bad(err, s, value, text);
        }
    }
    if (s->policy_key) {
        json_t *array = json_array();
        for (char **it = list; *it; it++)
            json_array_append_new(array, json_string(*it));
        *(json_t **)out = array;
    } else {
        *(char ***)out = lx_take(list);
    }
    return 0;
}

static int set_pairs(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    lx_auto(strv) char **list = lx_split(value, ',');
    lx_auto(json) json_t *object = json_object();
    for (char **it = list; *it; it++) {
        char *eq = strchr(*it, '=');
        if (!eq || eq == *it || strchr(eq + 1, '='))
            return bad(err, s, value, "must be a comma separated list of key=value pairs");
        *eq = '\0';
        json_object_set_new(object, *it, json_string(eq + 1));
    }
    *(json_t **)out = lx_take(object);
    return 0;
}

static int set_json(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    struct lx_err parse;
    lx_auto(json) json_t *json = NULL;
    if (lx_json_parse(value, strlen(value), &json, &parse) < 0) {
        lx_auto(str) char *text = lx_strf("failed to parse: %s", parse.text);
        return bad(err, s, value, text);
    }
    if (s->type == LX_SET_JSON_ARRAY ? !json_is_array(json) : !json_is_object(json))
        return bad(err, s, value,
                   s->type == LX_SET_JSON_ARRAY ? "must be a JSON array" : "must be a JSON object");
    const char *key;
    json_t *item;
    if (s->type == LX_SET_JSON_STRINGS) {
        json_object_foreach (json, key, item) {
            if (!json_is_string(item))
                return bad(err, s, value, "must be a JSON object of strings");
        }
    }
    *(json_t **)out = lx_take(json);
    return 0;
}

static int set_bytes(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    if (lx_parse_bytes(value, out) < 0)
        return bad(err, s, value, "must be a number of bytes such as 1000000 or 64Mi");
    return 0;
}

static int set_level(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    if (lx_level_parse(value, out) < 0)
        return bad(err, s, value, "must be one of dbug, info, warn, error, crit");
    return 0;
}

static int set_format(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    if (lx_log_format_parse(value, out) < 0)
        return bad(err, s, value, "must be one of logfmt, condensed, json");
    return 0;
}

static int set_one(const struct lx_setting *s, void *out, const char *value, struct lx_err *err)
{
    switch (s->type) {
    case LX_SET_STRING:
    case LX_SET_SECRET:
        return set_string(s, out, value, err);
    case LX_SET_INT:
    case LX_SET_DURATION:
        return set_number(s, out, value, err);
    case LX_SET_BOOL:
        return set_bool(s, out, value, err);
    case LX_SET_QUANTITY:
        return set_quantity(s, out, value, err);
    case LX_SET_LIST:
        return set_list(s, out, value, err);
    case LX_SET_PAIRS:
        return set_pairs(s, out, value, err);
    case LX_SET_JSON_ARRAY:
    case LX_SET_JSON_OBJECT:
    case LX_SET_JSON_STRINGS:
        return set_json(s, out, value, err);
    case LX_SET_LEVEL:
        return set_level(s, out, value, err);
    case LX_SET_FORMAT:
        return set_format(s, out, value, err);
    case LX_SET_BYTES:
        return set_bytes(s, out, value, err);
    }
    return 0;
}

int lx_settings_read(struct lx_settings *settings, char *const *env, struct lx_buf *problems)
{
    size_t n;
    const struct lx_setting *table = lx_setting_table(&n);
    int result = 0;
    *settings = (struct lx_settings){0};
    for (size_t i = 0; i < n; i++) {
        const char *value = lookup(env, table[i].name);
        if (!value)
            value = table[i].fallback;
        struct lx_err err;
        if (value && set_one(&table[i], field(settings, &table[i]), value, &err) < 0) {
            lx_buf_addf(problems, NULL, "%s\n", err.text);
            result = -1;
        }
    }
    if (lx_settings_check(settings, problems) < 0)
        result = -1;
    return result;
}

static void free_one(const struct lx_setting *s, void *member)
{
    switch (s->type) {
    case LX_SET_STRING:
    case LX_SET_SECRET:
    case LX_SET_QUANTITY:
        free(*(char **)member);
        break;
    case LX_SET_LIST:
        if (s->policy_key)
            json_decref(*(json_t **)member);
        else
            lx_strv_free(*(char ***)member);
        break;
    case LX_SET_PAIRS:
    case LX_SET_JSON_ARRAY:
    case LX_SET_JSON_OBJECT:
    case LX_SET_JSON_STRINGS:
        json_decref(*(json_t **)member);
        break;
    case LX_SET_INT:
    case LX_SET_BOOL:
    case LX_SET_DURATION:
    case LX_SET_LEVEL:
    case LX_SET_FORMAT:
    case LX_SET_BYTES:
        break;
    }
}

void lx_settings_done(struct lx_settings *settings)
{
    size_t n;
    const struct lx_setting *table = lx_setting_table(&n);
    for (size_t i = 0; i < n; i++)
        free_one(&table[i], field(settings, &table[i]));
    *settings = (struct lx_settings){0};
}
