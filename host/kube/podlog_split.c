#include "kube/podlog_lines.h"

#include <string.h>

#define NS 1000000000

/* The fraction after "2006-01-02T15:04:05.": digits, then 'Z' at the very end; -1 otherwise. */
static int64_t fraction(const char *text, size_t len)
{
    int64_t ns = 0, unit = NS / 10;
    if (len < 2 || len > 10 || text[len - 1] != 'Z')
        return -1;
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        ns += unit * (text[i] - '0');
        unit /= 10;
    }
    return ns;
}

/* Lines come by the thousand within one second: only the first is parsed in full. */
static bool parse_stamp(struct lx_loglines *lines, const char *text, size_t len, int64_t *ret_ns)
{
    const size_t day = sizeof(lines->day);
    struct timespec when;
    if (lines->day[0] && len > day && memcmp(text, lines->day, day) == 0) {
        int64_t ns = fraction(text + day, len - day);
        if (ns >= 0) {
            *ret_ns = lines->day_s * NS + ns;
            return true;
        }
    }
    if (len < day || lx_rfc3339_parse(text, len, &when))
        return false;
    if (when.tv_sec < 0 || when.tv_sec > INT64_MAX / NS - 1)
        return false;
    *ret_ns = (int64_t)when.tv_sec * NS + when.tv_nsec;
    if (len > day && text[day - 1] == '.' && fraction(text + day, len - day) >= 0) {
        memcpy(lines->day, text, day);
        lines->day_s = when.tv_sec;
    }
    return true;
}

/* What was held back as a timestamp is none: it belongs to the text. */
static void no_stamp(struct lx_loglines *lines)
{
    size_t len = lines->stamp_len;
    lines->stamp_len = 0;
    lines->in_body = true;
    if (len)
        lx_loglines_on_body(lines, lines->stamp, len);
}

/* The usual case, a timestamp that has come whole; 0 if it is another. */
static size_t take_whole_stamp(struct lx_loglines *lines, const char *data, size_t len)
{
    const char *space = memchr(data, ' ', len < LX_LOGLINES_STAMP ? len : LX_LOGLINES_STAMP);
    int64_t ns = 0;
    if (!space || !parse_stamp(lines, data, (size_t)(space - data), &ns))
        return 0;
    lines->in_body = true;
    lx_loglines_on_stamp(lines, ns);
    return (size_t)(space - data) + 1;
}

/* Collects a timestamp up to its space; returns how many bytes of `data` were used. */
static size_t take_stamp(struct lx_loglines *lines, const char *data, size_t len)
{
    size_t used = lines->stamp_len == 0 ? take_whole_stamp(lines, data, len) : 0;
    if (used)
        return used;
    while (used < len) {
        char c = data[used];
        if (c == ' ') {
            int64_t ns = 0;
            if (!parse_stamp(lines, lines->stamp, lines->stamp_len, &ns))
                break;
            lines->stamp_len = 0;
            lines->in_body = true;
            lx_loglines_on_stamp(lines, ns);
            return used + 1;
        }
        if (c == '\n' || lines->stamp_len == sizeof(lines->stamp) ||
            (lines->stamp_len == 0 && (c < '0' || c > '9')))
            break;
        lines->stamp[lines->stamp_len++] = c;
        used++;
    }
    if (used < len)
        no_stamp(lines);
    return used;
}

static size_t take_body(struct lx_loglines *lines, const char *data, size_t len)
{
    const char *lf = memchr(data, '\n', len);
    size_t used = lf ? (size_t)(lf - data) + 1 : len;
    lx_loglines_on_body(lines, data, used);
    if (lf) {
        lines->in_body = false;
        lx_loglines_on_end(lines);
    }
    return used;
}

void lx_loglines_flush(struct lx_loglines *lines)
{
    if (lines->out.len)
        lines->emit(lines->arg, lx_buf_str(&lines->out), lines->out.len);
    lx_buf_done(&lines->out);
}

void lx_loglines_feed(struct lx_loglines *lines, const char *data, size_t len)
{
    while (len && !lines->missed) {
        size_t used = lines->in_body ? take_body(lines, data, len) : take_stamp(lines, data, len);
        data += used;
        len -= used;
    }
    lx_loglines_flush(lines);
}
