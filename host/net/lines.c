#include "lunexec/lines.h"

#include <string.h>

/* A pending buffer that grew beyond this is given back after its line. */
#define KEEP_CAP ((size_t)64 * 1024)

void lx_lines_init(struct lx_lines *lines, size_t max_line,
                   int (*on_line)(void *arg, const char *line, size_t len), void *arg)
{
    lx_buf_init(&lines->pending, max_line);
    lines->on_line = on_line;
    lines->arg = arg;
}

void lx_lines_done(struct lx_lines *lines)
{
    if (lines)
        lx_buf_done(&lines->pending);
}

static int deliver(struct lx_lines *lines, const char *line, size_t len, struct lx_err *err)
{
    if (len > lines->pending.max)
        return lx_fail(err, LX_E_LIMIT, "a line is longer than %zu bytes", lines->pending.max);
    if (lines->on_line(lines->arg, line, len))
        return lx_fail(err, LX_E_CANCELLED, "reading lines was stopped");
    return 0;
}

static int add_pending(struct lx_lines *lines, const char *data, size_t len, struct lx_err *err)
{
    if (len > lines->pending.max - lines->pending.len)
        return lx_fail(err, LX_E_LIMIT, "a line is longer than %zu bytes", lines->pending.max);
    return lx_buf_add(&lines->pending, data, len, err);
}

static int deliver_pending(struct lx_lines *lines, struct lx_err *err)
{
    int rc = deliver(lines, lx_buf_str(&lines->pending), lines->pending.len, err);
    if (lines->pending.cap > KEEP_CAP)
        lx_buf_done(&lines->pending);
    else
        lx_buf_reset(&lines->pending);
    return rc;
}

int lx_lines_feed(struct lx_lines *lines, const char *data, size_t len, struct lx_err *err)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        if (!end)
            return add_pending(lines, data, len, err);
        size_t part = (size_t)(end - data);
        int rc;
        if (lines->pending.len == 0) {
            rc = deliver(lines, data, part, err);
        } else {
            rc = add_pending(lines, data, part, err);
            if (rc == 0)
                rc = deliver_pending(lines, err);
        }
        if (rc)
            return rc;
        data += part + 1;
        len -= part + 1;
    }
    return 0;
}

int lx_lines_end(struct lx_lines *lines, struct lx_err *err)
{
    return lines->pending.len > 0 ? deliver_pending(lines, err) : 0;
}
