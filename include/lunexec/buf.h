/*
 * A growing byte buffer with a stated maximum. The only place that reallocates. Any bytes, NUL too.
 */
#ifndef LUNEXEC_BUF_H
#define LUNEXEC_BUF_H

#include "lunexec/err.h"

#include <stdbool.h>
#include <stddef.h>

struct lx_buf {
    char *data; /* NUL-terminated when not NULL */
    size_t len; /* without the NUL */
    size_t cap;
    size_t max;  /* len never exceeds this */
    bool secret; /* what is given back is overwritten first, and so is what is dropped */
};

/* An empty buffer of at most `max` bytes; allocates nothing yet. */
void lx_buf_init(struct lx_buf *buf, size_t max);
#define LX_BUF_INIT(maximum) {.max = (maximum)}
/* The same for contents that are secret. */
#define LX_BUF_SECRET(maximum) {.max = (maximum), .secret = true}

/* Frees the contents; the buffer is empty and usable again as it was made. NULL is accepted. */
void lx_buf_done(struct lx_buf *buf);

/* Empties without giving memory back. */
void lx_buf_reset(struct lx_buf *buf);

/* Appends bytes, which must not be the buffer's own; `data` may be NULL when `len` is 0. LX_E_LIMIT
 * beyond the maximum, LX_E_IO when memory is out; the contents are unchanged then. */
int lx_buf_add(struct lx_buf *buf, const void *data, size_t len, struct lx_err *err);
/* Appends a C string without its NUL; otherwise as lx_buf_add. */
int lx_buf_adds(struct lx_buf *buf, const char *text, struct lx_err *err);
/* Appends one byte; otherwise as lx_buf_add. */
int lx_buf_addc(struct lx_buf *buf, char c, struct lx_err *err);
/* Appends formatted text; otherwise as lx_buf_add. */
int lx_buf_addf(struct lx_buf *buf, struct lx_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes room for `len` more bytes and a NUL, and returns where they go; the caller writes them,
 * adds to buf->len and puts the NUL. Valid until the buffer is changed. NULL with *err as for
 * lx_buf_add, the contents unchanged. */
char *lx_buf_reserve(struct lx_buf *buf, size_t len, struct lx_err *err);

/* Drops the first `len` bytes, at most as many as there are (lx_assert). */
void lx_buf_consume(struct lx_buf *buf, size_t len);

/* The contents as a C string; "" when empty. Owned by the buffer, valid until it is changed. */
const char *lx_buf_str(const struct lx_buf *buf);

/* Hands the contents, NUL-terminated, to the caller (free(), or lx_secret_free); never NULL; the
 * buffer is empty afterwards, and usable as it was made. */
char *lx_buf_take(struct lx_buf *buf);

/* For the cleanup attribute: releases a local buffer at the end of its scope. */
static inline void lx_auto_buf(struct lx_buf *buf)
{
    lx_buf_done(buf);
}

#endif
