#include "lunexec/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What a byte means to the escaper: 0 goes through, a letter is the short escape, U the long one,
 * M a byte from 0x80 up. */
static const unsigned char class[256] = {
    [0x00 ... 0x07] = 'U', ['\b'] = 'b',  ['\t'] = 't',          ['\n'] = 'n',
    [0x0b] = 'U',          ['\f'] = 'f',  ['\r'] = 'r',          [0x0e ... 0x1f] = 'U',
    ['"'] = '"',           ['\\'] = '\\', [0x80 ... 0xff] = 'M',
};

#define EVERY(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether eight bytes all go through as they are: none below 0x20, none above 0x7f, no quote, no
 * backslash. */
static bool plain8(const unsigned char *p)
{
    uint64_t w;
    memcpy(&w, p, 8);
    uint64_t quote = w ^ EVERY(0x22u), backslash = w ^ EVERY(0x5cu);
    uint64_t hit = w | (w - EVERY(0x20u)) | (quote - EVERY(1u)) | (backslash - EVERY(1u));
    return (hit & EVERY(0x80u)) == 0;
}

static bool continues(const unsigned char *p, unsigned char low, unsigned char high)
{
    return *p >= low && *p <= high;
}

size_t lx_utf8_sequence(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    if (p[0] < 0xE0)
        return left >= 2 && continues(p + 1, 0x80, 0xBF) ? 2 : 0;
    if (p[0] < 0xF0) {
        unsigned char low = p[0] == 0xE0 ? 0xA0 : 0x80, high = p[0] == 0xED ? 0x9F : 0xBF;
        return left >= 3 && continues(p + 1, low, high) && continues(p + 2, 0x80, 0xBF) ? 3 : 0;
    }
    unsigned char low = p[0] == 0xF0 ? 0x90 : 0x80, high = p[0] == 0xF4 ? 0x8F : 0xBF;
    bool good = left >= 4 && continues(p + 1, low, high) && continues(p + 2, 0x80, 0xBF) &&
                continues(p + 3, 0x80, 0xBF);
    return good ? 4 : 0;
}

/* The length of the longest part at the start that goes through unchanged. */
static size_t plain_run(const unsigned char *p, size_t len)
{
    size_t i = 0;
    for (;;) {
        while (len - i >= 8 && plain8(p + i))
            i += 8;
        while (i < len && class[p[i]] == 0)
            i++;
        if (i == len || class[p[i]] != 'M')
            return i;
        size_t sequence = lx_utf8_sequence((const char *)p + i, len - i);
        if (sequence == 0)
            return i;
        i += sequence;
    }
}

/* Writes the escape of one byte to `out` (at least 6 bytes); returns its length. */
static size_t escape_byte(unsigned char c, char out[6])
{
    static const char hex[] = "0123456789abcdef";
    if (class[c] == 'M') {
        memcpy(out, "\xEF\xBF\xBD", 3);
        return 3;
    }
    out[0] = '\\';
    if (class[c] != 'U') {
        out[1] = (char)class[c];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 0x0fu];
    return 6;
}

int lx_json_escape(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t before = out->len;
    while (len > 0) {
        size_t run = plain_run(p, len);
        if (lx_buf_add(out, p, run, err) < 0)
            goto fail;
        p += run;
        len -= run;
        if (len == 0)
            break;
        char escape[6];
        size_t size = escape_byte(*p, escape);
        if (lx_buf_add(out, escape, size, err) < 0)
            goto fail;
        p++;
        len--;
    }
    return 0;
fail:
    out->len = before;
    if (out->data)
        out->data[before] = '\0';
    return -1;
}
