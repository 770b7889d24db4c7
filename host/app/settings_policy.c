/*
 * The settings as the policy and the documentation see them.
 */
#include "app/settings.h"

#include "lunexec/text.h"

static json_t *value_of(const struct lx_setting *s, const void *member)
{
    switch (s->type) {
    case LX_SET_STRING:
    case LX_SET_QUANTITY: {
        const char *text = *(char *const *)member;
        return text ? json_string(text) : NULL;
    }
    case LX_SET_INT: {
        int64_t number = *(const int64_t *)member;
        return number < 0 ? NULL : json_integer((json_int_t)number);
    }
    case LX_SET_BOOL:
        return json_boolean(*(const bool *)member);
    case LX_SET_LIST:
    case LX_SET_PAIRS:
    case LX_SET_JSON_ARRAY:
    case LX_SET_JSON_OBJECT:
    case LX_SET_JSON_STRINGS:
        return json_incref(*(json_t *const *)member);
    case LX_SET_SECRET:
    case LX_SET_DURATION:
    case LX_SET_LEVEL:
    case LX_SET_FORMAT:
    case LX_SET_BYTES:
        return NULL;
    }
    return NULL;
}

json_t *lx_settings_for_policy(const struct lx_settings *settings)
{
    size_t n;
    const struct lx_setting *table = lx_setting_table(&n);
    json_t *object = json_object();
    for (size_t i = 0; i < n; i++) {
        if (!table[i].policy_key)
            continue;
        json_t *value = value_of(&table[i], (const char *)settings + table[i].offset);
        if (value)
            json_object_set_new(object, table[i].policy_key, value);
    }
    return object;
}

static const char *type_name(enum lx_setting_type type)
{
    static const char *const names[] = {
        [LX_SET_STRING] = "text",
        [LX_SET_SECRET] = "secret",
        [LX_SET_INT] = "number",
        [LX_SET_BOOL] = "true or false",
        [LX_SET_DURATION] = "duration",
        [LX_SET_QUANTITY] = "quantity",
        [LX_SET_LIST] = "list",
        [LX_SET_PAIRS] = "key=value list",
        [LX_SET_JSON_ARRAY] = "JSON array",
        [LX_SET_JSON_OBJECT] = "JSON object",
        [LX_SET_JSON_STRINGS] = "JSON object of strings",
        [LX_SET_LEVEL] = "level",
        [LX_SET_FORMAT] = "format",
        [LX_SET_BYTES] = "bytes",
    };
    return names[type];
}

int lx_settings_help(struct lx_buf *out, bool markdown, struct lx_err *err)
{
    size_t n;
    const struct lx_setting *table = lx_setting_table(&n);
    if (markdown && lx_buf_adds(out,
                                "# Settings\n\nMade by `lunexec help settings --markdown` from the "
                                "table in `host/app/settings_table.c`. Every setting is an "
                                "environment variable; an empty one counts as unset.\n\n"
                                "| name | type | default | meaning |\n| --- | --- | --- | --- |\n",
                                err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const struct lx_setting *s = &table[i];
        int added =
            markdown
                ? lx_buf_addf(out, err, "| `%s` | %s | %s%s%s | %s |\n", s->name,
                              type_name(s->type), s->fallback ? "`" : "",
                              s->fallback ? s->fallback : "unset", s->fallback ? "`" : "", s->help)
                : lx_buf_addf(out, err, "  %s (%s; default %s)\n      %s\n", s->name,
                              type_name(s->type), s->fallback ? s->fallback : "unset", s->help);
        if (added < 0)
            return -1;
    }
    return 0;
}
