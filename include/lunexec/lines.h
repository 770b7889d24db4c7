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

/* Lines of at most `max_line` bytes. `on_line` gets a line without its LF, NOT NUL-terminated,
 * valid during the call; a return other than 0 stops. It must not feed or release the splitter. */
void lx_lines_init(struct lx_lines *lines, size_t max_line,
                   int (*on_line)(void *arg, const char *line, size_t len), void *arg);
/* Frees what waits for its LF; delivers nothing. NULL is accepted. */
void lx_lines_done(struct lx_lines *lines);

/* Feeds a chunk; on_line is called, before it returns, for each line that is whole now. LX_E_LIMIT
 * for a line beyond the maximum; LX_E_CANCELLED when on_line stopped it; LX_E_IO. What is left of
 * the chunk is then lost, so the stream is to be given up. */
int lx_lines_feed(struct lx_lines *lines, const char *data, size_t len, struct lx_err *err);

/* The stream has ended: delivers a last line that had no LF, if there is one. LX_E_CANCELLED. */
int lx_lines_end(struct lx_lines *lines, struct lx_err *err);

#endif
