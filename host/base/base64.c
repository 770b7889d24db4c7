#include "lunexec/text.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int lx_base64_encode(struct lx_buf *out, const void *data, size_t len, struct lx_err *err)
{
    const unsigned char *in = data;
    if (len > SIZE_MAX / 2)
        return lx_fail(err, LX_E_LIMIT, "more than %zu bytes", out->max);
    size_t size = (len + 2) / 3 * 4;
    char *at = lx_buf_reserve(out, size, err);
    if (!at)
        return -1;
    for (; len >= 3; in += 3, len -= 3) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *at++ = alphabet[v >> 18];
        *at++ = alphabet[v >> 12 & 63u];
        *at++ = alphabet[v >> 6 & 63u];
        *at++ = alphabet[v & 63u];
    }
    if (len) {
        uint32_t v = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
        *at++ = alphabet[v >> 18];
        *at++ = alphabet[v >> 12 & 63u];
        *at++ = len == 2 ? alphabet[v >> 6 & 63u] : '=';
        *at++ = '=';
    }
    *at = '\0';
    out->len += size;
    return 0;
}

/* 0 to 63, or 255 for what is not in the alphabet. */
static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26u;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52u;
    if (c == '+')
        return 62u;
    return c == '/' ? 63u : 255u;
}

int lx_base64_decode(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    if (len % 4 != 0)
        return lx_fail(err, LX_E_INVALID, "base64: length %zu is not a multiple of 4", len);
    size_t pad = 0;
    while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
        pad++;
    size_t size = len / 4 * 3 - pad;
    char *at = lx_buf_reserve(out, size, err);
    if (!at)
        return -1;
    uint32_t bits = 0;
    char *end = at + size;
    for (size_t i = 0; i < len; i++) {
        unsigned value = i < len - pad ? value_of(text[i]) : 0;
        if (value == 255u) {
            out->data[out->len] = '\0';
            return lx_fail(err, LX_E_INVALID, "base64: bad character at offset %zu", i);
        }
        bits = bits << 6 | value;
        if (i % 4 == 3) {
            for (unsigned shift = 16; at < end; shift -= 8) {
                *at++ = (char)(unsigned char)(bits >> shift);
                if (shift == 0)
                    break;
            }
            if (pad && i == len - 1 && bits & (pad == 1 ? 0xffu : 0xffffu)) {
                out->data[out->len] = '\0';
                return lx_fail(err, LX_E_INVALID, "base64: bits left over at the end");
            }
            bits = 0;
        }
    }
    *end = '\0';
    out->len += size;
    return 0;
}
