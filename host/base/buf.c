#include "lunexec/buf.h"

#include "lunexec/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAP 64

void lx_buf_init(struct lx_buf *buf, size_t max)
{
    *buf = (struct lx_buf)LX_BUF_INIT(max);
}

static void empty(struct lx_buf *buf)
{
    *buf = (struct lx_buf){.max = buf->max, .secret = buf->secret};
}

/* Overwrites what stands from `at` on, if it is secret. */
static void wipe(struct lx_buf *buf, size_t at)
{
    if (buf->secret && buf->data)
        explicit_bzero(buf->data + at, buf->cap - at);
}

void lx_buf_done(struct lx_buf *buf)
{
    if (!buf)
        return;
    wipe(buf, 0);
    free(buf->data);
    empty(buf);
}

void lx_buf_reset(struct lx_buf *buf)
{
    wipe(buf, 0);
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

/* A copy of at least `cap` bytes, the old one freed; NULL: memory is out, and nothing has changed.
 */
static char *larger(struct lx_buf *buf, size_t cap)
{
    if (!buf->secret)
        return realloc(buf->data, cap);
    char *data = malloc(cap);
    if (!data)
        return NULL;
    if (buf->data)
        memcpy(data, buf->data, buf->len + 1);
    wipe(buf, 0);
    free(buf->data);
    return data;
}

/* Makes cap at least len + more + 1. */
static int grow(struct lx_buf *buf, size_t more, struct lx_err *err)
{
    size_t max = buf->max < PTRDIFF_MAX ? buf->max : PTRDIFF_MAX - 1;
    if (more > max - buf->len)
        return lx_fail(err, LX_E_LIMIT, "more than %zu bytes", max);
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return 0;
    size_t cap = buf->cap * 2;
    if (cap < FIRST_CAP)
        cap = FIRST_CAP;
    if (cap > max + 1)
        cap = max + 1;
    if (cap < need)
        cap = need;
    char *data = larger(buf, cap);
    if (!data)
        return lx_fail_errno(err, ENOMEM, "growing a buffer to %zu bytes", cap);
    buf->data = data;
    buf->cap = cap;
    buf->data[buf->len] = '\0';
    return 0;
}

int lx_buf_add(struct lx_buf *buf, const void *data, size_t len, struct lx_err *err)
{
    if (grow(buf, len, err) < 0)
        return -1;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return 0;
}

int lx_buf_adds(struct lx_buf *buf, const char *text, struct lx_err *err)
{
    return lx_buf_add(buf, text, strlen(text), err);
}

int lx_buf_addc(struct lx_buf *buf, char c, struct lx_err *err)
{
    return lx_buf_add(buf, &c, 1, err);
}

int lx_buf_addf(struct lx_buf *buf, struct lx_err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        return lx_fail_errno(err, errno, "formatting");
    if (grow(buf, (size_t)len, err) < 0)
        return -1;
    va_start(args, fmt);
    (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)len;
    return 0;
}

char *lx_buf_reserve(struct lx_buf *buf, size_t len, struct lx_err *err)
{
    return grow(buf, len, err) < 0 ? NULL : buf->data + buf->len;
}

void lx_buf_consume(struct lx_buf *buf, size_t len)
{
    lx_assert(len <= buf->len);
    if (len == 0)
        return;
    buf->len -= len;
    memmove(buf->data, buf->data + len, buf->len);
    wipe(buf, buf->len);
    buf->data[buf->len] = '\0';
}

const char *lx_buf_str(const struct lx_buf *buf)
{
    return buf->data ? buf->data : "";
}

char *lx_buf_take(struct lx_buf *buf)
{
    char *data = buf->data ? buf->data : lx_strdup("");
    empty(buf);
    return data;
}
