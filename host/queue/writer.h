/*
 * Writes one flat JSON object or array after another into a buffer; commas are its business.
 */
#ifndef LX_QUEUE_WRITER_H
#define LX_QUEUE_WRITER_H

#include "lunexec/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first failure stays in `err` and makes every later call do nothing. */
struct lx_writer {
    struct lx_buf *out;
    bool comma; /* the next member needs one before it */
    bool failed;
    struct lx_err err;
};

/* Appends to `out`, which is borrowed. Nothing to release. */
void lx_writer_init(struct lx_writer *writer, struct lx_buf *out);
/* 0, or -1 with the first failure copied to *err. */
int lx_writer_end(const struct lx_writer *writer, struct lx_err *err);

/* In each of the following `key` NULL is an array's element. Keys are plain ASCII. */

/* The beginning of an object '{' or array '['. */
void lx_write_open(struct lx_writer *writer, const char *key, char bracket);
/* Its end, '}' or ']'. */
void lx_write_close(struct lx_writer *writer, char bracket);
/* null. */
void lx_write_null(struct lx_writer *writer, const char *key);
/* A whole number. */
void lx_write_int(struct lx_writer *writer, const char *key, int64_t value);
/* A string, escaped; invalid UTF-8 becomes U+FFFD. */
void lx_write_str(struct lx_writer *writer, const char *key, const char *text);
/* An array of strings. */
void lx_write_strv(struct lx_writer *writer, const char *key, const char *const *strv);
/* `"key":"`, for text that follows from elsewhere. */
void lx_write_str_start(struct lx_writer *writer, const char *key);
/* The quote after such text. */
void lx_write_str_end(struct lx_writer *writer);

#endif
