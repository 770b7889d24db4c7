#include "lunexec/text.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int lx_base64_encode(struct lx_buf *out, const void *data, size_t len, struct lx_err *err)
{
    const unsigned char *in = data;
    if (len > SIZE_MAX / 2)
        return lx_fail(err, LX_E_LIMIT, "too much to encode");
    char *at = lx_buf_reserve(out, (len + 2) / 3 * 4, err);
    if (!at)
        return -1;
    char *start = at;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                     (left > 2 ? in[i + 2] : 0u);
        *at++ = alphabet[v >> 18];
        *at++ = alphabet[v >> 12 & 63];
        *at++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        *at++ = left > 2 ? alphabet[v & 63] : '=';
    }
    *at = '\0';
    out->len += (size_t)(at - start);
    return 0;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int lx_base64_decode(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    if (len % 4 != 0)
        return lx_fail(err, LX_E_INVALID, "base64 text has a length that is no multiple of 4");
    size_t padding = 0;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    char *at = lx_buf_reserve(out, len / 4 * 3, err);
    if (!at)
        return -1;
    char *start = at;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = i + k >= len - padding ? 0 : value_of(text[i + k]);
            if (digit < 0)
                return lx_fail(err, LX_E_INVALID, "base64 text has an illegal character at %zu",
                               i + k);
            v = v << 6 | (uint32_t)digit;
        }
        *at++ = (char)(v >> 16);
        *at++ = (char)(v >> 8 & 0xff);
        *at++ = (char)(v & 0xff);
    }
    out->len += (size_t)(at - start) - padding;
    out->data[out->len] = '\0';
    return 0;
}
