/*
 * JSON values as bytes, for the socket between executor and policy child. Text costs both ends
 * more than the policy itself (parsing and printing a Job takes about 110 us, this 35 us), and
 * a byte string with its length first needs no escaping and keeps integers exact.
 *
 * One byte of kind, then: int and real 8 bytes; string a 4-byte length and its bytes; array a
 * 4-byte count and the items; object a 4-byte count and as many pairs of key (length and bytes)
 * and value. Native byte order: both ends run on one machine.
 */
#ifndef LX_POLICY_VALUE_H
#define LX_POLICY_VALUE_H

#include "lunexec/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* What a value may hold at most; the same in both directions. */
#define LX_VALUE_DEPTH_MAX 64
#define LX_VALUE_NODES_MAX 50000
/* What the message around a value may add to either. */
#define LX_VALUE_ENVELOPE 8

enum lx_value_kind {
    LX_VALUE_NULL,
    LX_VALUE_FALSE,
    LX_VALUE_TRUE,
    LX_VALUE_INT,
    LX_VALUE_REAL,
    LX_VALUE_STRING,
    LX_VALUE_ARRAY,
    LX_VALUE_OBJECT,
};

/* ---- Writing: each appends to `out` and fails as lx_buf_add does ---- */

/* A value that is its kind: null, false, true. */
int lx_value_put_kind(struct lx_buf *out, enum lx_value_kind kind, struct lx_err *err);
/* True or false. */
int lx_value_put_bool(struct lx_buf *out, bool value, struct lx_err *err);
/* A whole number. */
int lx_value_put_int(struct lx_buf *out, int64_t value, struct lx_err *err);
/* Any other number. */
int lx_value_put_real(struct lx_buf *out, double value, struct lx_err *err);
/* A string of any bytes. */
int lx_value_put_string(struct lx_buf *out, const char *data, size_t len, struct lx_err *err);
/* The head of an array or object; the items follow. */
int lx_value_put_head(struct lx_buf *out, enum lx_value_kind kind, size_t count,
                      struct lx_err *err);
/* A head whose count is not known yet: *ret_at is for lx_value_set_count. */
int lx_value_put_open(struct lx_buf *out, enum lx_value_kind kind, size_t *ret_at,
                      struct lx_err *err);
/* Writes the count into that head. */
void lx_value_set_count(struct lx_buf *out, size_t at, size_t count);
/* A key of an object; its value follows. */
int lx_value_put_key(struct lx_buf *out, const char *key, size_t len, struct lx_err *err);

/* ---- Reading ---- */

/* The bytes that are left, borrowed. */
struct lx_value_reader {
    const char *at, *end;
};

struct lx_value_token {
    enum lx_value_kind kind;
    int64_t num;      /* int */
    double real;      /* real */
    const char *data; /* string: borrowed from the input */
    size_t len;       /* string: bytes; array, object: items */
};

/* The next token; -1 at the end or when the bytes are malformed. A count larger than the bytes
 * that are left could hold is malformed too. */
int lx_value_next(struct lx_value_reader *reader, struct lx_value_token *ret_token);
/* The next key of an object. */
int lx_value_key(struct lx_value_reader *reader, const char **ret_data, size_t *ret_len);

/* Whether the bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool lx_utf8_valid(const char *data, size_t len);

#endif
