/*
 * Reading members of a payload as Go's decoder does: keys match in any case, null and absent are
 * the zero value, anything else of the wrong type is LX_E_INVALID naming the key (contract 1.1).
 */
#ifndef LX_QUEUE_FIELDS_H
#define LX_QUEUE_FIELDS_H

#include "lunexec/json.h"

#include <stdbool.h>

/* The member, or NULL when it is absent or null; borrowed. */
json_t *lx_field(const json_t *object, const char *key);

/* A string without U+0000; "" when absent. The caller owns *ret_text. */
int lx_field_str(const json_t *object, const char *key, char **ret_text, struct lx_err *err);

/* An array of such strings, empty when absent. Release with lx_strv_free. */
int lx_field_strv(const json_t *object, const char *key, char ***ret_strv, struct lx_err *err);

/* True or false; false when absent. */
int lx_field_bool(const json_t *object, const char *key, bool *ret_value, struct lx_err *err);
/* A whole number; 0 when absent. */
int lx_field_int(const json_t *object, const char *key, int64_t *ret_value, struct lx_err *err);

/* An array, borrowed; NULL when absent. */
int lx_field_array(const json_t *object, const char *key, json_t **ret_array, struct lx_err *err);
/* An object, borrowed; NULL when absent. */
int lx_field_object(const json_t *object, const char *key, json_t **ret_object, struct lx_err *err);

/* Copies a JSON string that has no U+0000 in it; LX_E_INVALID for anything else, null too. `what`
 * names it in the error. The caller owns *ret_text. */
int lx_string_copy(const json_t *value, const char *what, char **ret_text, struct lx_err *err);

#endif
