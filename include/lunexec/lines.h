/*
 * Splits a byte stream into lines with a stated maximum, whatever the chunks are.
 */
#ifndef LUNEXEC_LINES_H
#define LUNEXEC_LINES_H

#include "lunexec/buf.h"

struct lx_lines {
    struct lx_buf pending;
    int (*on_line)(void *arg, const char *line, size_t len); /* see below */
    void *arg;
};

/* `on_line` gets a line without its LF, NOT NUL-terminated, valid during the call; a return other
 * than 0 stops. It must not feed or release the splitter. */
void lx_lines_init(struct lx_lines *lines, size_t max_line,
                   int (*on_line)(void *arg, const char *line, size_t len), void *arg);
void lx_lines_done(struct lx_lines *lines);

/* Feeds a chunk. LX_E_LIMIT for a line beyond the maximum; -1 with LX_E_CANCELLED when on_line
 * stopped it. */
int lx_lines_feed(struct lx_lines *lines, const char *data, size_t len, struct lx_err *err);

/* Delivers a last line that had no LF, if there is one. */
int lx_lines_end(struct lx_lines *lines, struct lx_err *err);

#endif
