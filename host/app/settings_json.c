/*
 * Settings that are JSON: parsed, and checked for shape as far as a mistake would otherwise show up
 * only when the first Job is refused.
 */
#include "app/settings_value.h"

#include "lunexec/text.h"

#include <string.h>

static bool is_strings(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!json_is_string(json_array_get(array, i)))
            return false;
    }
    return json_is_array(array);
}

static bool has_kind(const struct lx_shape *shape, const json_t *value)
{
    switch (shape->kind) {
    case LX_SHAPE_STRING:
        return json_is_string(value);
    case LX_SHAPE_INT:
        return json_is_integer(value);
    case LX_SHAPE_STRINGS:
        return is_strings(value);
    case LX_SHAPE_OBJECT:
        return json_is_object(value);
    }
    return false;
}

/* What is wrong with a member, "" for nothing. free(). */
static char *member_problem(const struct lx_shape *shape, const json_t *value)
{
    static const char *const kinds[] = {
        [LX_SHAPE_STRING] = "a string",
        [LX_SHAPE_INT] = "a whole number",
        [LX_SHAPE_STRINGS] = "an array of strings",
        [LX_SHAPE_OBJECT] = "an object",
    };
    bool there = value && !json_is_null(value);
    if (shape->required && (!there || (json_is_string(value) && !*json_string_value(value))))
        return lx_strf("must contain a %s", shape->key);
    if (there && !has_kind(shape, value))
        return lx_strf("%s must be %s", shape->key, kinds[shape->kind]);
    if (there && shape->choices && !lx_setting_choice(shape->choices, json_string_value(value)))
        return lx_strf("%s must be one of %s", shape->key,
                       shape->choices + (*shape->choices == '|'));
    return lx_strdup("");
}

static char *item_problem(const struct lx_shape *shape, const json_t *item)
{
    if (!json_is_object(item))
        return lx_strdup("must be an object");
    for (; shape && shape->key; shape++) {
        lx_auto(str) char *problem = member_problem(shape, json_object_get(item, shape->key));
        if (*problem)
            return lx_take(problem);
    }
    return lx_strdup("");
}

/* What is wrong with the value, "" for nothing. free(). */
static char *value_problem(const struct lx_setting *s, json_t *json)
{
    if (s->type == LX_SET_JSON_ARRAY && !json_is_array(json))
        return lx_strdup("must be a JSON array");
    if (s->type != LX_SET_JSON_ARRAY && !json_is_object(json))
        return lx_strdup("must be a JSON object");
    for (size_t i = 0; i < json_array_size(json); i++) {
        lx_auto(str) char *problem = item_problem(s->shape, json_array_get(json, i));
        if (*problem)
            return lx_strf("item %zu %s", i, problem);
    }
    const char *key;
    json_t *member;
    json_object_foreach (json, key, member) {
        if (s->type == LX_SET_JSON_STRINGS && !json_is_string(member))
            return lx_strf("\"%s\" must be a string", key);
    }
    return lx_strdup("");
}

int lx_setting_parse_json(const struct lx_setting *s, const char *name, const char *text,
                          json_t **out, struct lx_err *err)
{
    struct lx_err parse;
    lx_auto(json) json_t *json = NULL;
    if (lx_json_parse(text, strlen(text), &json, &parse) < 0) {
        lx_auto(str) char *problem = lx_strf("failed to parse: %s", parse.text);
        return lx_setting_bad(s, name, text, problem, err);
    }
    lx_auto(str) char *problem = value_problem(s, json);
    if (*problem)
        return lx_setting_bad(s, name, text, problem, err);
    *out = lx_take(json);
    return 0;
}
