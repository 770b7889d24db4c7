#include "base/log_line.h"

#include "lunexec/escape.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Kept free at the end of a line for `}`, the newline and the like. */
#define TAIL 8
#define VALUE_MAX 2048u

static const char *level_name(enum lx_level level, bool upper)
{
    switch (level) {
    case LX_LOG_DEBUG:
        return upper ? "DEBUG" : "debug";
    case LX_LOG_INFO:
        return upper ? "INFO" : "info";
    case LX_LOG_WARN:
        return upper ? "WARN" : "warn";
    case LX_LOG_ERROR:
        break;
    }
    return upper ? "ERROR" : "error";
}

/* Milliseconds always, so that lines align. */
static void stamp(struct timespec when, char out[40])
{
    struct tm tm;
    if (!gmtime_r(&when.tv_sec, &tm))
        memset(&tm, 0, sizeof(tm));
    size_t len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + len, 8, ".%03uZ", (unsigned)(when.tv_nsec / 1000000) % 1000u);
}

/* Whether logfmt readers take the value as it is. */
static bool bare(const char *text)
{
    if (!*text)
        return false;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p <= ' ' || *p == '"' || *p == '\\' || *p == '=' || *p >= 0x7f)
            return false;
    }
    return true;
}

static int add_quoted(struct lx_buf *out, const char *text, size_t len)
{
    return lx_buf_addc(out, '"', NULL) < 0 || lx_json_escape(out, text, len, NULL) < 0 ||
                   lx_buf_addc(out, '"', NULL) < 0
               ? -1
               : 0;
}

static int add_key(struct lx_buf *out, enum lx_log_format format, bool first, const char *key)
{
    if (format == LX_LOGFMT)
        return lx_buf_addf(out, NULL, "%s%s=", first ? "" : " ", key);
    if (!first && lx_buf_addc(out, ',', NULL) < 0)
        return -1;
    if (add_quoted(out, key, strlen(key)) < 0)
        return -1;
    return lx_buf_addc(out, ':', NULL);
}

/* The largest length up to `n` at which `text` is not cut within a character. */
static size_t whole(const char *text, size_t n)
{
    while (n > 0 && ((unsigned char)text[n] & 0xC0u) == 0x80u)
        n--;
    return n;
}

/* The text, cut by halves until it fits. */
static int add_text(struct lx_buf *out, enum lx_log_format format, const char *text)
{
    size_t len = strlen(text);
    if (format == LX_LOGFMT && len <= VALUE_MAX && bare(text) &&
        lx_buf_add(out, text, len, NULL) == 0)
        return 0;
    for (size_t n = len < VALUE_MAX ? len : VALUE_MAX;; n /= 2) {
        size_t before = out->len;
        if (add_quoted(out, text, whole(text, n)) == 0)
            return 0;
        out->len = before;
        if (n == 0)
            return -1;
    }
}

/* One field, or nothing of it; true if it was added. */
static bool add_field(struct lx_buf *out, enum lx_log_format format, bool first,
                      const struct lx_field *field)
{
    size_t before = out->len;
    if (field->kind == LX_FIELD_STR && !field->str)
        return false;
    if (add_key(out, format, first, field->key) == 0 &&
        (field->kind == LX_FIELD_INT ? lx_buf_addf(out, NULL, "%" PRId64, field->num)
                                     : add_text(out, format, field->str)) == 0)
        return true;
    out->len = before;
    return false;
}

/* "time LEVEL message" as plain text: the message without what would break the line. */
static void add_head(struct lx_buf *out, const char *when, enum lx_level level, const char *msg)
{
    (void)lx_buf_addf(out, NULL, "%s %-5s ", when, level_name(level, true));
    size_t len = strlen(msg);
    size_t before = out->len;
    for (size_t n = len < VALUE_MAX ? len : VALUE_MAX; n > 0; n /= 2) {
        if (lx_json_escape(out, msg, whole(msg, n), NULL) == 0)
            return;
        out->len = before;
    }
}

void lx_log_line(struct lx_buf *out, enum lx_log_format format, struct timespec when,
                 enum lx_level level, const char *msg, const struct lx_field *fields)
{
    char at[40];
    bool first = true;
    stamp(when, at);
    lx_buf_reset(out);
    out->max = LX_LOG_LINE_MAX - TAIL;
    if (format == LX_LOG_CONDENSED) {
        add_head(out, at, level, msg);
    } else {
        bool json = format == LX_LOG_JSON;
        const struct lx_field head[] = {
            LX_STR(json ? "time" : "t", at),
            LX_STR(json ? "level" : "lvl", level_name(level, false)),
            LX_STR(json ? "message" : "msg", msg),
        };
        if (format == LX_LOG_JSON)
            (void)lx_buf_addc(out, '{', NULL);
        for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
            first = !add_field(out, format, first, &head[i]) && first;
    }
    size_t brace = out->len;
    if (format == LX_LOG_CONDENSED)
        (void)lx_buf_adds(out, " {", NULL);
    for (; fields && fields->key; fields++)
        first = !add_field(out, format, first, fields) && first;
    out->max = LX_LOG_LINE_MAX;
    if (format == LX_LOG_CONDENSED && first)
        out->len = brace;
    else if (format != LX_LOGFMT)
        (void)lx_buf_addc(out, '}', NULL);
    (void)lx_buf_addc(out, '\n', NULL);
}
