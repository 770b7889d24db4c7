#include "value.h"

#include "lunexec/escape.h"

#include <string.h>

int lx_value_put_kind(struct lx_buf *out, enum lx_value_kind kind, struct lx_err *err)
{
    return lx_buf_addc(out, (char)kind, err);
}

int lx_value_put_bool(struct lx_buf *out, bool value, struct lx_err *err)
{
    return lx_value_put_kind(out, value ? LX_VALUE_TRUE : LX_VALUE_FALSE, err);
}

static int put_tagged(struct lx_buf *out, enum lx_value_kind kind, const void *data, size_t size,
                      struct lx_err *err)
{
    char *to = lx_buf_reserve(out, 1 + size, err);
    if (!to)
        return -1;
    to[0] = (char)kind;
    memcpy(to + 1, data, size);
    out->len += 1 + size;
    return 0;
}

int lx_value_put_int(struct lx_buf *out, int64_t value, struct lx_err *err)
{
    return put_tagged(out, LX_VALUE_INT, &value, sizeof value, err);
}

int lx_value_put_real(struct lx_buf *out, double value, struct lx_err *err)
{
    return put_tagged(out, LX_VALUE_REAL, &value, sizeof value, err);
}

int lx_value_put_head(struct lx_buf *out, enum lx_value_kind kind, size_t count, struct lx_err *err)
{
    if (count > UINT32_MAX)
        return lx_fail(err, LX_E_LIMIT, "too many items");
    uint32_t count32 = (uint32_t)count;
    return put_tagged(out, kind, &count32, sizeof count32, err);
}

int lx_value_put_open(struct lx_buf *out, enum lx_value_kind kind, size_t *ret_at,
                      struct lx_err *err)
{
    if (lx_value_put_head(out, kind, 0, err))
        return -1;
    *ret_at = out->len - sizeof(uint32_t);
    return 0;
}

void lx_value_set_count(struct lx_buf *out, size_t at, size_t count)
{
    uint32_t count32 = (uint32_t)count;
    memcpy(out->data + at, &count32, sizeof count32);
}

int lx_value_put_key(struct lx_buf *out, const char *key, size_t len, struct lx_err *err)
{
    if (len > UINT32_MAX)
        return lx_fail(err, LX_E_LIMIT, "string too long");
    uint32_t len32 = (uint32_t)len;
    char *to = lx_buf_reserve(out, sizeof len32 + len, err);
    if (!to)
        return -1;
    memcpy(to, &len32, sizeof len32);
    if (len)
        memcpy(to + sizeof len32, key, len);
    out->len += sizeof len32 + len;
    return 0;
}

int lx_value_put_string(struct lx_buf *out, const char *data, size_t len, struct lx_err *err)
{
    if (lx_value_put_kind(out, LX_VALUE_STRING, err))
        return -1;
    return lx_value_put_key(out, data, len, err);
}

static size_t left(const struct lx_value_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static int take(struct lx_value_reader *reader, void *to, size_t size)
{
    if (left(reader) < size)
        return -1;
    memcpy(to, reader->at, size);
    reader->at += size;
    return 0;
}

int lx_value_key(struct lx_value_reader *reader, const char **ret_data, size_t *ret_len)
{
    uint32_t len = 0;
    if (take(reader, &len, sizeof len) || len > left(reader))
        return -1;
    *ret_data = reader->at;
    *ret_len = len;
    reader->at += len;
    return 0;
}

int lx_value_next(struct lx_value_reader *reader, struct lx_value_token *ret_token)
{
    struct lx_value_token token = {.kind = LX_VALUE_NULL};
    unsigned char kind = 0;
    uint32_t count = 0;
    if (take(reader, &kind, sizeof kind) || kind > LX_VALUE_OBJECT)
        return -1;
    token.kind = (enum lx_value_kind)kind;
    switch (token.kind) {
    case LX_VALUE_NULL:
    case LX_VALUE_FALSE:
    case LX_VALUE_TRUE:
        break;
    case LX_VALUE_INT:
        if (take(reader, &token.num, sizeof token.num))
            return -1;
        break;
    case LX_VALUE_REAL:
        if (take(reader, &token.real, sizeof token.real))
            return -1;
        break;
    case LX_VALUE_STRING:
        if (lx_value_key(reader, &token.data, &token.len))
            return -1;
        break;
    case LX_VALUE_ARRAY:
    case LX_VALUE_OBJECT:
        /* An item takes at least its kind, a member a length more. */
        if (take(reader, &count, sizeof count) ||
            count > left(reader) / (token.kind == LX_VALUE_ARRAY ? 1 : 1 + sizeof count))
            return -1;
        token.len = count;
        break;
    }
    *ret_token = token;
    return 0;
}

bool lx_utf8_valid(const char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t size = (unsigned char)data[at] < 0x80 ? 1 : lx_utf8_sequence(data + at, len - at);
        if (!size)
            return false;
        at += size;
    }
    return true;
}
