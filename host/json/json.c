#include "lunexec/json.h"

#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>
#include <strings.h>

int lx_json_parse(const char *text, size_t len, json_t **ret_value, struct lx_err *err)
{
    json_error_t error;
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
                               &error);
    if (!value)
        return lx_fail(err, LX_E_INVALID, "invalid JSON at line %d column %d: %s", error.line,
                       error.column, error.text);
    *ret_value = value;
    return 0;
}

struct dump {
    struct lx_buf *out;
    struct lx_err *err;
};

static int dump_piece(const char *data, size_t len, void *arg)
{
    struct dump *dump = arg;
    return lx_buf_add(dump->out, data, len, dump->err);
}

static int dump(const json_t *value, struct lx_buf *out, size_t flags, struct lx_err *err)
{
    struct dump dump = {out, err};
    size_t before = out->len;
    if (json_dump_callback(value, dump_piece, &dump, flags | JSON_ENCODE_ANY) == 0)
        return 0;
    /* A piece that did not fit has told why; a value that cannot be dumped has not. */
    if (out->len <= out->max && err && out->len == before)
        return lx_fail(err, LX_E_INVALID, "the value cannot be written as JSON");
    return -1;
}

int lx_json_dump(const json_t *value, struct lx_buf *out, struct lx_err *err)
{
    return dump(value, out, JSON_COMPACT, err);
}

int lx_json_dump_pretty(const json_t *value, struct lx_buf *out, struct lx_err *err)
{
    if (dump(value, out, JSON_INDENT(2) | JSON_SORT_KEYS, err) < 0)
        return -1;
    return lx_buf_addc(out, '\n', err);
}

char *lx_json_text(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    lx_assert(text);
    return text;
}

const char *lx_json_str(const json_t *object, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : fallback;
}

int64_t lx_json_int(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool lx_json_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *lx_json_obj(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_object(value) ? value : NULL;
}

json_t *lx_json_arr(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_array(value) ? value : NULL;
}

static json_t *step_into(const json_t *value, const char *name)
{
    uint64_t index;
    if (json_is_array(value))
        return lx_parse_u64(name, &index) == 0 ? json_array_get(value, (size_t)index) : NULL;
    return json_object_get(value, name);
}

json_t *lx_json_path(const json_t *value, const char *path)
{
    lx_auto(strv) char **names = lx_split(path, '.');
    json_t *at = NULL;
    for (char **name = names; *name; name++) {
        at = step_into(name == names ? value : at, *name);
        if (!at)
            return NULL;
    }
    return at;
}

json_t *lx_json_get_nocase(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (value)
        return value;
    union {
        const json_t *in;
        json_t *out;
    } object_ = {.in = object};
    const char *name;
    json_object_foreach(object_.out, name, value)
    {
        if (strcasecmp(name, key) == 0)
            return value;
    }
    return NULL;
}

static int missing(const json_t *object, const char *key, const char *type, struct lx_err *err)
{
    return lx_fail(err, LX_E_INVALID, "\"%s\" %s", key,
                   json_object_get(object, key) ? type : "is missing");
}

int lx_json_need_str(const json_t *object, const char *key, const char **ret_text,
                     struct lx_err *err)
{
    const char *text = lx_json_str(object, key, NULL);
    if (!text)
        return missing(object, key, "is not a string", err);
    *ret_text = text;
    return 0;
}

int lx_json_need_int(const json_t *object, const char *key, int64_t *ret_value, struct lx_err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        return missing(object, key, "is not a whole number", err);
    *ret_value = (int64_t)json_integer_value(value);
    return 0;
}
