#include "queue/fields.h"

#include "lunexec/text.h"

#include <string.h>

json_t *lx_field(const json_t *object, const char *key)
{
    json_t *value = lx_json_get_nocase(object, key);
    return json_is_null(value) ? NULL : value;
}

int lx_string_copy(const json_t *value, const char *what, char **ret_text, struct lx_err *err)
{
    if (!json_is_string(value))
        return lx_fail(err, LX_E_INVALID, "%s: not a string", what);
    size_t len = json_string_length(value);
    const char *text = json_string_value(value);
    if (memchr(text, '\0', len))
        return lx_fail(err, LX_E_INVALID, "%s: contains U+0000", what);
    *ret_text = lx_strndup(text, len);
    return 0;
}

int lx_field_str(const json_t *object, const char *key, char **ret_text, struct lx_err *err)
{
    const json_t *value = lx_field(object, key);
    if (!value) {
        *ret_text = lx_strdup("");
        return 0;
    }
    return lx_string_copy(value, key, ret_text, err);
}

int lx_field_strv(const json_t *object, const char *key, char ***ret_strv, struct lx_err *err)
{
    json_t *array = NULL;
    if (lx_field_array(object, key, &array, err) < 0)
        return -1;
    size_t n = json_array_size(array);
    char **strv = lx_alloc_array(n + 1, sizeof(*strv));
    for (size_t i = 0; i < n; i++) {
        if (lx_string_copy(json_array_get(array, i), "element", &strv[i], err) < 0) {
            lx_strv_free(strv);
            return lx_wrap(err, "%s[%zu]", key, i);
        }
    }
    *ret_strv = strv;
    return 0;
}

int lx_field_bool(const json_t *object, const char *key, bool *ret_value, struct lx_err *err)
{
    const json_t *value = lx_field(object, key);
    if (value && !json_is_boolean(value))
        return lx_fail(err, LX_E_INVALID, "%s: not a boolean", key);
    *ret_value = json_is_true(value);
    return 0;
}

int lx_field_int(const json_t *object, const char *key, int64_t *ret_value, struct lx_err *err)
{
    const json_t *value = lx_field(object, key);
    if (value && !json_is_integer(value))
        return lx_fail(err, LX_E_INVALID, "%s: not an integer", key);
    *ret_value = value ? json_integer_value(value) : 0;
    return 0;
}

int lx_field_array(const json_t *object, const char *key, json_t **ret_array, struct lx_err *err)
{
    json_t *value = lx_field(object, key);
    if (value && !json_is_array(value))
        return lx_fail(err, LX_E_INVALID, "%s: not an array", key);
    *ret_array = value;
    return 0;
}

int lx_field_object(const json_t *object, const char *key, json_t **ret_object, struct lx_err *err)
{
    json_t *value = lx_field(object, key);
    if (value && !json_is_object(value))
        return lx_fail(err, LX_E_INVALID, "%s: not an object", key);
    *ret_object = value;
    return 0;
}
