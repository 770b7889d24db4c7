/*
 * The second stage of a mask stream: tokens in what the first one gave out.
 */
#ifndef LX_LOGS_TOKENS_H
#define LX_LOGS_TOKENS_H

#include "lunexec/buf.h"
#include "lunexec/tokens.h"

#include <stdbool.h>

#define LX_TOKEN_PREFIX_MAX 32u
#define LX_TOKEN_RUN_MAX 128u

struct lx_token_stream {
    const struct lx_tokens *tokens; /* borrowed */
    struct lx_buf held;             /* may be the beginning of a token */
    bool in_token;                  /* what comes belongs to one that was masked */
    bool after_word;                /* the last byte given out was a letter or digit */
};

/* Begins a stream. */
void lx_token_stream_init(struct lx_token_stream *stream, const struct lx_tokens *tokens);
void lx_token_stream_done(struct lx_token_stream *stream);
/* The next bytes: appends what is certain of them, masked. Fails as lx_buf_add does on `out`; the
 * stream is of no further use then. */
int lx_token_stream_feed(struct lx_token_stream *stream, const char *data, size_t len,
                         struct lx_buf *out, struct lx_err *err);
/* Gives out what is held: nothing follows. */
int lx_token_stream_flush(struct lx_token_stream *stream, struct lx_buf *out, struct lx_err *err);

#endif
