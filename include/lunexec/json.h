/*
 * JSON: jansson values with strict parsing, typed access, and error texts that name the path.
 */
#ifndef LUNEXEC_JSON_H
#define LUNEXEC_JSON_H

#include "lunexec/buf.h"
#include "lunexec/escape.h"
#include "lunexec/mem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

LX_DEFINE_AUTO(json, json_t *, json_decref)

/* From now on memory of JSON values is overwritten when it is given back, since payloads, Secrets
 * and credentials are among them. For the whole process, once, before the first value is made. */
void lx_json_wipe_freed(void);

/* Parses one JSON value (any type). Refuses duplicate keys, trailing text, invalid UTF-8, integers
 * beyond 64 bits and nesting beyond 2048. U+0000 in strings is kept (json_string_length), in keys
 * it is refused. The caller owns *ret_value. LX_E_INVALID with line and column, quoting nothing of
 * the text, which may hold secrets. */
int lx_json_parse(const char *text, size_t len, json_t **ret_value, struct lx_err *err);

/* Appends the value compactly, keys in insertion order. LX_E_LIMIT, LX_E_IO, or LX_E_INVALID for a
 * value that contains itself; on failure `out` is as it was. */
int lx_json_dump(const json_t *value, struct lx_buf *out, struct lx_err *err);
/* The same, sorted keys, two-space indent and a newline at the end, for people and golden files. */
int lx_json_dump_pretty(const json_t *value, struct lx_buf *out, struct lx_err *err);
/* Compact text; ends the process when it cannot be written (memory is out, the value contains
 * itself); free(). For values of our own making. */
char *lx_json_text(const json_t *value);

/* Lenient access, here and below: `object` may be NULL or no object, which then has no members. */

/* The text of a member, borrowed from it; `fallback` when it is absent or no string, or has U+0000
 * in it. */
const char *lx_json_str(const json_t *object, const char *key, const char *fallback);
/* A member that is a whole number; `fallback` when absent or anything else, 1.0 too. */
int64_t lx_json_int(const json_t *object, const char *key, int64_t fallback);
/* A member that is true or false; `fallback` when absent or anything else. */
bool lx_json_bool(const json_t *object, const char *key, bool fallback);
/* A member that is an object, borrowed; NULL when absent or anything else. */
json_t *lx_json_obj(const json_t *object, const char *key);
/* A member that is an array, borrowed; NULL when absent or anything else. */
json_t *lx_json_arr(const json_t *object, const char *key);

/* A value by dotted path: "status.containerStatuses.0.name"; borrowed; NULL when absent. Keys with
 * a dot in them cannot be reached. */
json_t *lx_json_path(const json_t *value, const char *path);

/* A member whose key matches, or else the first one that matches case-insensitively, as Go's
 * decoder does (contract 1.1); borrowed, NULL when absent. */
json_t *lx_json_get_nocase(const json_t *object, const char *key);

/* The text of a member that must be there, borrowed from it. LX_E_INVALID naming the key when it is
 * absent or no string, or has U+0000 in it. */
int lx_json_need_str(const json_t *object, const char *key, const char **ret_text,
                     struct lx_err *err);
/* A whole number that must be there. LX_E_INVALID naming the key when absent or anything else. */
int lx_json_need_int(const json_t *object, const char *key, int64_t *ret_value, struct lx_err *err);

#endif
