#include "value_json.h"

#include <math.h>
#include <string.h>

struct limits {
    unsigned depth, depth_max;
    size_t nodes, nodes_max;
};

static int count(struct limits *limits, struct lx_err *err)
{
    if (++limits->nodes > limits->nodes_max)
        return lx_fail(err, LX_E_LIMIT, "more than %zu values", limits->nodes_max);
    if (limits->depth > limits->depth_max)
        return lx_fail(err, LX_E_LIMIT, "nested deeper than %u levels", limits->depth_max);
    return 0;
}

static int put(struct lx_buf *out, const json_t *value, struct limits *limits, struct lx_err *err);

static int put_array(struct lx_buf *out, const json_t *array, struct limits *limits,
                     struct lx_err *err)
{
    size_t n = json_array_size(array);
    if (lx_value_put_head(out, LX_VALUE_ARRAY, n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (put(out, json_array_get(array, i), limits, err))
            return -1;
    return 0;
}

static int put_object(struct lx_buf *out, const json_t *object, struct limits *limits,
                      struct lx_err *err)
{
    if (lx_value_put_head(out, LX_VALUE_OBJECT, json_object_size(object), err))
        return -1;
    /* jansson's iterators take no const object, though they do not change it. */
    json_t *walked = (json_t *)(uintptr_t)object;
    for (void *it = json_object_iter(walked); it; it = json_object_iter_next(walked, it))
        if (lx_value_put_key(out, json_object_iter_key(it), json_object_iter_key_len(it), err) ||
            put(out, json_object_iter_value(it), limits, err))
            return -1;
    return 0;
}

static int put(struct lx_buf *out, const json_t *value, struct limits *limits, struct lx_err *err)
{
    if (count(limits, err))
        return -1;
    int rc = 0;
    limits->depth++;
    switch (json_typeof(value)) {
    case JSON_NULL:
        rc = lx_value_put_kind(out, LX_VALUE_NULL, err);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        rc = lx_value_put_bool(out, json_is_true(value), err);
        break;
    case JSON_INTEGER:
        rc = lx_value_put_int(out, json_integer_value(value), err);
        break;
    case JSON_REAL:
        rc = lx_value_put_real(out, json_real_value(value), err);
        break;
    case JSON_STRING:
        rc = lx_value_put_string(out, json_string_value(value), json_string_length(value), err);
        break;
    case JSON_ARRAY:
        rc = put_array(out, value, limits, err);
        break;
    case JSON_OBJECT:
        rc = put_object(out, value, limits, err);
        break;
    }
    limits->depth--;
    return rc;
}

int lx_value_put_json(struct lx_buf *out, const json_t *value, struct lx_err *err)
{
    struct limits limits = {.depth_max = LX_VALUE_DEPTH_MAX, .nodes_max = LX_VALUE_NODES_MAX};
    return put(out, value, &limits, err);
}

static int malformed(struct lx_err *err)
{
    return lx_fail(err, LX_E_PEER, "malformed value");
}

static int get(struct lx_value_reader *reader, json_t **ret_value, struct limits *limits,
               struct lx_err *err);

static int get_array(struct lx_value_reader *reader, size_t n, json_t **ret_value,
                     struct limits *limits, struct lx_err *err)
{
    lx_auto(json) json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *item = NULL;
        if (get(reader, &item, limits, err))
            return -1;
        if (json_array_append_new(array, item))
            return lx_fail(err, LX_E_IO, "out of memory");
    }
    *ret_value = lx_take(array);
    return 0;
}

static int get_object(struct lx_value_reader *reader, size_t n, json_t **ret_value,
                      struct limits *limits, struct lx_err *err)
{
    lx_auto(json) json_t *object = json_object();
    for (size_t i = 0; i < n; i++) {
        const char *key = NULL;
        size_t len = 0;
        json_t *item = NULL;
        if (lx_value_key(reader, &key, &len) || memchr(key, 0, len))
            return malformed(err);
        if (get(reader, &item, limits, err))
            return -1;
        if (json_object_setn_new(object, key, len, item))
            return lx_fail(err, LX_E_PEER, "key that is not valid UTF-8");
    }
    if (json_object_size(object) != n)
        return lx_fail(err, LX_E_PEER, "key given twice");
    *ret_value = lx_take(object);
    return 0;
}

static json_t *get_scalar(const struct lx_value_token *token)
{
    switch (token->kind) {
    case LX_VALUE_NULL:
        return json_null();
    case LX_VALUE_FALSE:
        return json_false();
    case LX_VALUE_TRUE:
        return json_true();
    case LX_VALUE_INT:
        return json_integer(token->num);
    case LX_VALUE_REAL:
        return isfinite(token->real) ? json_real(token->real) : NULL;
    case LX_VALUE_STRING:
        return json_stringn(token->data, token->len);
    case LX_VALUE_ARRAY:
    case LX_VALUE_OBJECT:
        break;
    }
    return NULL;
}

static int get(struct lx_value_reader *reader, json_t **ret_value, struct limits *limits,
               struct lx_err *err)
{
    struct lx_value_token token;
    if (lx_value_next(reader, &token))
        return malformed(err);
    if (count(limits, err))
        return -1;
    int rc = 0;
    limits->depth++;
    if (token.kind == LX_VALUE_ARRAY) {
        rc = get_array(reader, token.len, ret_value, limits, err);
    } else if (token.kind == LX_VALUE_OBJECT) {
        rc = get_object(reader, token.len, ret_value, limits, err);
    } else {
        *ret_value = get_scalar(&token);
        rc = *ret_value ? 0 : malformed(err);
    }
    limits->depth--;
    return rc;
}

int lx_value_get_json(struct lx_value_reader *reader, json_t **ret_value, struct lx_err *err)
{
    struct limits limits = {.depth_max = LX_VALUE_DEPTH_MAX + LX_VALUE_ENVELOPE,
                            .nodes_max = LX_VALUE_NODES_MAX + LX_VALUE_ENVELOPE};
    return get(reader, ret_value, &limits, err);
}
