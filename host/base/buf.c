#include "lunexec/buf.h"

#include "lunexec/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lx_buf_init(struct lx_buf *buf, size_t max)
{
    *buf = (struct lx_buf){.max = max};
}

void lx_buf_done(struct lx_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    lx_buf_init(buf, buf->max);
}

void lx_buf_reset(struct lx_buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

char *lx_buf_reserve(struct lx_buf *buf, size_t len, struct lx_err *err)
{
    if (len > buf->max || buf->len > buf->max - len) {
        lx_fail(err, LX_E_LIMIT, "more than the maximum of %zu bytes", buf->max);
        return NULL;
    }
    size_t need = buf->len + len + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap *= 2;
        if (cap > buf->max + 1)
            cap = buf->max + 1;
        char *data = realloc(buf->data, cap);
        if (!data) {
            lx_fail(err, LX_E_IO, "out of memory for %zu bytes", cap);
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
        buf->data[buf->len] = '\0';
    }
    return buf->data + buf->len;
}

int lx_buf_add(struct lx_buf *buf, const void *data, size_t len, struct lx_err *err)
{
    char *out = lx_buf_reserve(buf, len, err);
    if (!out)
        return -1;
    if (len > 0)
        memcpy(out, data, len);
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
    char *text = NULL;
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        return lx_fail(err, LX_E_IO, "out of memory");
    int result = lx_buf_add(buf, text, (size_t)len, err);
    free(text);
    return result;
}

void lx_buf_consume(struct lx_buf *buf, size_t len)
{
    lx_assert(len <= buf->len);
    buf->len -= len;
    if (buf->data) {
        memmove(buf->data, buf->data + len, buf->len);
        buf->data[buf->len] = '\0';
    }
}

const char *lx_buf_str(const struct lx_buf *buf)
{
    return buf->data ? buf->data : "";
}

char *lx_buf_take(struct lx_buf *buf)
{
    char *data = buf->data ? buf->data : lx_strdup("");
    lx_buf_init(buf, buf->max);
    return data;
}
