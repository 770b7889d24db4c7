#include "logs/mask_forms.h"

#include "lunexec/json.h"
#include "lunexec/text.h"

#include <string.h>

/*
 * A form that is not the value itself is short only when the value is, and a short one is found by
 * chance: six base64 characters are 36 bits, expected less than once in a thousand logs of 64 MiB.
 */
#define DERIVED_MIN 6

/* What is being added to, and from what. */
struct forming {
    struct lx_patterns *patterns;
    size_t secret;
    const char *value;
    size_t len;
    size_t max_bytes;
};

static int add(const struct forming *f, const char *text, size_t len, struct lx_err *err)
{
    if (len == f->len && memcmp(text, f->value, len) == 0)
        return 0;
    return lx_patterns_add(f->patterns, f->secret, text, len, DERIVED_MIN, f->max_bytes, err);
}

static int add_buf(const struct forming *f, const struct lx_buf *buf, struct lx_err *err)
{
    return add(f, lx_buf_str(buf), buf->len, err);
}

/* ---- Base64 ---- */

/* The same in the URL-safe alphabet. */
static int add_url_safe(const struct forming *f, const char *text, size_t len, struct lx_err *err)
{
    lx_auto(secret) char *copy = lx_strndup(text, len);
    bool differs = false;
    for (char *c = copy; *c; c++) {
        if (*c == '+' || *c == '/') {
            *c = *c == '+' ? '-' : '_';
            differs = true;
        }
    }
    return differs ? add(f, copy, len, err) : 0;
}

static int add_both(const struct forming *f, const char *text, size_t len, struct lx_err *err)
{
    return add(f, text, len, err) < 0 ? -1 : add_url_safe(f, text, len, err);
}

/* In lines, as base64 and openssl print what is longer than one of theirs. */
static int add_wrapped(const struct forming *f, const char *text, size_t len, size_t width,
                       struct lx_err *err)
{
    lx_auto(buf) struct lx_buf lines = LX_BUF_SECRET(len * 2);
    for (size_t at = 0; at < len; at += width) {
        size_t n = len - at < width ? len - at : width;
        if ((at > 0 && lx_buf_addc(&lines, '\n', err) < 0) ||
            lx_buf_add(&lines, text + at, n, err) < 0)
            return -1;
    }
    return len > width ? add_buf(f, &lines, err) : 0;
}

/*
 * Encoded as a part of a longer text the value begins at one of three offsets in a group; the
 * characters that hold its bits alone are the same whatever surrounds it.
 */
static int add_base64_core(const struct forming *f, size_t offset, struct lx_err *err)
{
    lx_auto(buf) struct lx_buf bytes = LX_BUF_SECRET(f->len + 2);
    lx_auto(buf) struct lx_buf text = LX_BUF_SECRET(f->len * 2 + 16);
    if (lx_buf_add(&bytes, "\0\0", offset, err) < 0 ||
        lx_buf_add(&bytes, f->value, f->len, err) < 0 ||
        lx_base64_encode(&text, bytes.data, bytes.len, err) < 0)
        return -1;
    size_t begin = (offset * 8 + 5) / 6, end = bytes.len * 8 / 6;
    if (begin >= end)
        return 0;
    if (offset == 0 && (add_wrapped(f, text.data, end, 76, err) < 0 ||
                        add_wrapped(f, text.data, end, 64, err) < 0))
        return -1;
    return add_both(f, text.data + begin, end - begin, err);
}

static int add_base64(const struct forming *f, struct lx_err *err)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_SECRET(f->len * 2 + 16);
    if (lx_base64_encode(&text, f->value, f->len, err) < 0 ||
        add_both(f, text.data, text.len, err) < 0)
        return -1;
    size_t bare = text.len;
    while (bare > 0 && text.data[bare - 1] == '=')
        bare--;
    if (bare < text.len && add_both(f, text.data, bare, err) < 0)
        return -1;
    for (size_t offset = 0; offset < 3; offset++) {
        if (add_base64_core(f, offset, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- URLs ---- */

static bool in_set(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Percent-encodes all but letters, digits and `keep`; a space as `space` unless that is 0. */
static int add_url_variant(const struct forming *f, const char *keep, char space,
                           const char *digits, struct lx_err *err)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_SECRET(f->len * 3 + 1);
    for (size_t i = 0; i < f->len; i++) {
        char c = f->value[i];
        unsigned byte = (unsigned char)c;
        const char escaped[] = {'%', digits[byte >> 4], digits[byte & 15]};
        int rc;
        if (c == ' ' && space)
            rc = lx_buf_addc(&text, space, err);
        else if (is_alnum(c) || in_set(c, keep))
            rc = lx_buf_addc(&text, c, err);
        else
            rc = lx_buf_add(&text, escaped, sizeof(escaped), err);
        if (rc < 0)
            return -1;
    }
    return add_buf(f, &text, err);
}

static int add_url(const struct forming *f, struct lx_err *err)
{
    static const char upper[] = "0123456789ABCDEF", lower[] = "0123456789abcdef";
    static const struct {
        const char *keep;
        char space;
        const char *digits;
    } variants[] = {
        {"-._~", '\0', upper},                              /* RFC 3986, curl */
        {"-._~", '\0', lower},      {"-._~/", '\0', upper}, /* Python's quote */
        {"-._~!'()*", '\0', upper},                         /* encodeURIComponent */
        {"-._~", '+', upper},                               /* form data, Go, Python's quote_plus */
        {"-._*", '+', upper},                               /* URLSearchParams, Java */
    };
    for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
        if (add_url_variant(f, variants[i].keep, variants[i].space, variants[i].digits, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- JSON ---- */

/* The code point at the start of valid UTF-8 text; *ret_len is its length. */
static uint32_t code_point(const char *text, size_t *ret_len)
{
    unsigned char first = (unsigned char)*text;
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t value = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        value = value << 6 | ((unsigned char)text[i] & 0x3f);
    *ret_len = len;
    return value;
}

static int put_unit(struct lx_buf *out, uint32_t unit, bool upper, struct lx_err *err)
{
    return upper ? lx_buf_addf(out, err, "\\u%04X", (unsigned)unit)
                 : lx_buf_addf(out, err, "\\u%04x", (unsigned)unit);
}

static int put_unicode(struct lx_buf *out, uint32_t value, bool upper, struct lx_err *err)
{
    if (value < 0x10000)
        return put_unit(out, value, upper, err);
    value -= 0x10000;
    return put_unit(out, 0xd800 + (value >> 10), upper, err) < 0
               ? -1
               : put_unit(out, 0xdc00 + (value & 0x3ff), upper, err);
}

/* Which plain characters are written as an escape as well. */
struct json_style {
    const char *named; /* as \uXXXX */
    bool ascii, slash, upper;
};

static int add_json_variant(const struct forming *f, const struct lx_buf *escaped,
                            const struct json_style *style, struct lx_err *err)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_SECRET(escaped->len * 6 + 1);
    size_t len;
    for (size_t i = 0; i < escaped->len; i += len) {
        const char *at = escaped->data + i;
        uint32_t value = code_point(at, &len);
        int rc;
        if ((style->ascii && value >= 0x80) || (value < 0x80 && in_set(*at, style->named)))
            rc = put_unicode(&text, value, style->upper, err);
        else if (style->slash && *at == '/')
            rc = lx_buf_adds(&text, "\\/", err);
        else
            rc = lx_buf_add(&text, at, len, err);
        if (rc < 0)
            return -1;
    }
    return add_buf(f, &text, err);
}

static int add_json(const struct forming *f, struct lx_err *err)
{
    static const struct json_style styles[] = {
        {"<>&", false, false, false}, /* Go */
        {"", true, false, false},     /* Python */
        {"", true, false, true},      /* Java, jansson */
        {"", true, true, false},      /* PHP */
        {"", false, true, false},
    };
    lx_auto(buf) struct lx_buf escaped = LX_BUF_SECRET(f->len * 6 + 1);
    if (lx_json_escape(&escaped, f->value, f->len, err) < 0 || add_buf(f, &escaped, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(styles) / sizeof(*styles); i++) {
        if (add_json_variant(f, &escaped, &styles[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- Shells ---- */

/* Each character of `set` written as `with`, where "&" in it stands for the character. */
static int add_replaced(const struct forming *f, const char *set, const char *with,
                        struct lx_err *err)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_SECRET(f->len * 5 + 1);
    for (size_t i = 0; i < f->len; i++) {
        char c = f->value[i];
        int rc = 0;
        if (!in_set(c, set)) {
            rc = lx_buf_addc(&text, c, err);
        } else {
            for (const char *w = with; rc == 0 && *w; w++)
                rc = lx_buf_addc(&text, *w == '&' ? c : *w, err);
        }
        if (rc < 0)
            return -1;
    }
    return add_buf(f, &text, err);
}

/* $'...' of bash, and how Python and others show a string: control characters by name. */
static int add_named_controls(const struct forming *f, struct lx_err *err)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_SECRET(f->len * 2 + 1);
    for (size_t i = 0; i < f->len; i++) {
        char c = f->value[i];
        const char named[] = {'\\', c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c};
        int rc = in_set(c, "\n\t\r\\'") ? lx_buf_add(&text, named, sizeof(named), err)
                                        : lx_buf_addc(&text, c, err);
        if (rc < 0)
            return -1;
    }
    return add_buf(f, &text, err);
}

/* Inside the quotes; what is traced with `set -x` is quoted like this. */
static int add_shell(const struct forming *f, struct lx_err *err)
{
    static const char special[] = " \t!\"#$&'()*,;<>?[\\]^`{|}~";
    if (add_named_controls(f, err) < 0 || add_replaced(f, "'", "'\"'\"'", err) < 0 ||
        add_replaced(f, "'", "'\\''", err) < 0 || add_replaced(f, "\"\\$`", "\\&", err) < 0)
        return -1;
    return add_replaced(f, special, "\\&", err); /* printf %q */
}

int lx_forms_add(struct lx_patterns *patterns, size_t secret, const char *value, size_t len,
                 size_t max_bytes, struct lx_err *err)
{
    const struct forming f = {patterns, secret, value, len, max_bytes};
    if (add_base64(&f, err) < 0 || add_url(&f, err) < 0 || add_json(&f, err) < 0)
        return -1;
    return add_shell(&f, err);
}
