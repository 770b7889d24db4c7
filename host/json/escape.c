/*
 * The log path's JSON escaping: runs of plain bytes are copied whole.
 */
#include "lunexec/json.h"

#include <stdint.h>
#include <stdio.h>

/* Length of the valid UTF-8 sequence at `s` (RFC 3629), 0 if there is none. */
static size_t sequence(const unsigned char *s, size_t len)
{
    unsigned char lead = s[0];
    size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || n > len)
        return 0;
    /* The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF. */
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Eight bytes at once: true when none of them needs attention. */
static bool all_plain(const unsigned char *s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t v;
    __builtin_memcpy(&v, s, sizeof v);
    uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
    uint64_t bad = (v - ones * 0x20) | (quote - ones) | (slash - ones) | v;
    return (bad & tops) == 0;
}

static size_t plain_run(const unsigned char *s, size_t len)
{
    size_t n = 0;
    while (n + 8 <= len && all_plain(s + n))
        n += 8;
    while (n < len && is_plain(s[n]))
        n++;
    return n;
}

static int add_special(struct lx_buf *out, unsigned char c, struct lx_err *err)
{
    switch (c) {
    case '"':
        return lx_buf_add(out, "\\\"", 2, err);
    case '\\':
        return lx_buf_add(out, "\\\\", 2, err);
    case '\n':
        return lx_buf_add(out, "\\n", 2, err);
    case '\r':
        return lx_buf_add(out, "\\r", 2, err);
    case '\t':
        return lx_buf_add(out, "\\t", 2, err);
    default: {
        char text[8];
        int n = snprintf(text, sizeof text, "\\u%04x", c);
        return lx_buf_add(out, text, (size_t)n, err);
    }
    }
}

int lx_json_escape(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    const unsigned char *s = (const unsigned char *)text;
    while (len > 0) {
        size_t n = plain_run(s, len);
        if (n > 0 && lx_buf_add(out, s, n, err) < 0)
            return -1;
        s += n;
        len -= n;
        if (len == 0)
            break;
        n = 1;
        if (*s < 0x80) {
            if (add_special(out, *s, err) < 0)
                return -1;
        } else {
            size_t valid = sequence(s, len);
            if (lx_buf_add(out, valid ? (const char *)s : "\xef\xbf\xbd", valid ? valid : 3, err) <
                0)
                return -1;
            n = valid ? valid : 1;
        }
        s += n;
        len -= n;
    }
    return 0;
}
