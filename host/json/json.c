#include "lunexec/json.h"

#include "lunexec/parse.h"

#include <string.h>
#include <strings.h>

void lx_json_wipe_freed(void)
{
    json_set_alloc_funcs(malloc, lx_wiping_free);
}

int lx_json_parse(const char *text, size_t len, json_t **ret_value, struct lx_err *err)
{
    json_error_t error;
    json_t *value =
        json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value) {
        /* jansson quotes the text it stopped at, which may be a secret. */
        const char *quote = strstr(error.text, " near '");
        int said = quote ? (int)(quote - error.text) : (int)strlen(error.text);
        return lx_fail(err, LX_E_INVALID, "invalid JSON at line %d column %d: %.*s", error.line,
                       error.column, said, error.text);
    }
    *ret_value = value;
    return 0;
}

struct dump {
    struct lx_buf *out;
    struct lx_err *err;
    bool full;
};

static int dump_piece(const char *data, size_t len, void *arg)
{
    struct dump *dump = arg;
    dump->full = lx_buf_add(dump->out, data, len, dump->err) < 0;
    return dump->full ? -1 : 0;
}

static void cut(struct lx_buf *out, size_t len)
{
    out->len = len;
    if (out->data)
        out->data[len] = '\0';
}

static int dump(const json_t *value, struct lx_buf *out, size_t flags, struct lx_err *err)
{
    struct dump dump = {.out = out, .err = err};
    size_t before = out->len;
    if (json_dump_callback(value, dump_piece, &dump, flags | JSON_ENCODE_ANY) == 0)
        return 0;
    cut(out, before);
    return dump.full ? -1 : lx_fail(err, LX_E_INVALID, "the value cannot be written as JSON");
}

int lx_json_dump(const json_t *value, struct lx_buf *out, struct lx_err *err)
{
    return dump(value, out, JSON_COMPACT, err);
}

int lx_json_dump_pretty(const json_t *value, struct lx_buf *out, struct lx_err *err)
{
    size_t before = out->len;
    if (dump(value, out, JSON_INDENT(2) | JSON_SORT_KEYS, err) < 0)
        return -1;
    if (lx_buf_addc(out, '\n', err) == 0)
        return 0;
    cut(out, before);
    return -1;
}

char *lx_json_text(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    lx_assert(text);
    return text;
}

/* A C string cannot show all of a text with U+0000 in it: such a one is none. */
static const char *whole_string(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

const char *lx_json_str(const json_t *object, const char *key, const char *fallback)
{
    const char *text = whole_string(json_object_get(object, key));
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

static json_t *step_into(const json_t *value, const char *name, size_t len)
{
    char digits[24];
    uint64_t index;
    if (!json_is_array(value))
        return json_object_getn(value, name, len);
    if (len >= sizeof(digits))
        return NULL;
    memcpy(digits, name, len);
    digits[len] = '\0';
    return lx_parse_u64(digits, &index) == 0 ? json_array_get(value, (size_t)index) : NULL;
}

json_t *lx_json_path(const json_t *value, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        json_t *at = step_into(value, path, len);
        if (!at || !path[len])
            return at;
        value = at;
        path += len + 1;
    }
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
    json_object_foreach (object_.out, name, value) {
        if (strcasecmp(name, key) == 0)
            return value;
    }
    return NULL;
}

static int missing(const json_t *object, const char *key, const char *type, struct lx_err *err)
{
    const json_t *value = json_object_get(object, key);
    const char *what = !value                  ? "is missing"
                       : json_is_string(value) ? "contains a NUL character"
                                               : "is not a string";
    return lx_fail(err, LX_E_INVALID, "\"%s\" %s", key, value && type ? type : what);
}

int lx_json_need_str(const json_t *object, const char *key, const char **ret_text,
                     struct lx_err *err)
{
    const char *text = lx_json_str(object, key, NULL);
    if (!text)
        return missing(object, key, NULL, err);
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
