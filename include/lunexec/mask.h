/*
 * Secrets, found in one pass over a stream (Aho-Corasick, longest match first) and replaced. What
 * appends to `out` fails as lx_buf_add does; `out` may then hold a part.
 */
#ifndef LUNEXEC_MASK_H
#define LUNEXEC_MASK_H

#include "lunexec/buf.h"
#include "lunexec/tokens.h"

#include <stdbool.h>

struct lx_mask;        /* compiled, immutable, shared by the streams of a job */
struct lx_mask_stream; /* the state of one stream */

/* What to look for, and what stands in its place; NULL replacement: nothing. */
struct lx_secret {
    const char *value, *replacement;
};

/* Compiles. Values with fewer than two characters between blanks are ignored (contract 9.2: an
 * empty one would match everywhere); *ret_ignored (may be NULL) counts them. Of equal values the
 * first wins. Besides each value as it is: the same without blanks around it; its base64 (also as a
 * part of a longer encoded text), URL-encoded, JSON-escaped and shell-quoted forms of six bytes or
 * more; and each line of at least four bytes of a multi-line value. Strings are copied. LX_E_LIMIT
 * beyond 64 MiB of automaton. The caller frees *ret_mask, after its streams. */
int lx_mask_new(const struct lx_secret *secrets, size_t n, struct lx_mask **ret_mask,
                size_t *ret_ignored, struct lx_err *err);
/* Overwrites and frees. NULL is accepted. */
void lx_mask_free(struct lx_mask *mask);
/* Tokens are masked as well, in what is left after the secrets, by lx_mask_text and by streams made
 * from now on. `tokens` is borrowed; NULL: none. */
void lx_mask_use_tokens(struct lx_mask *mask, const struct lx_tokens *tokens);

/* A NULL mask, here and below, changes nothing. The leftmost match counts, of those that start
 * there the longest; replacements are not searched again (contract 9.2). */

/* Appends `text` masked: for commands, error messages, status texts. */
int lx_mask_text(const struct lx_mask *mask, const char *text, size_t len, struct lx_buf *out,
                 struct lx_err *err);
/* The same as a new string; ends the process when memory is out. free(). */
char *lx_mask_strdup(const struct lx_mask *mask, const char *text);

/* A stream: bytes that could be the start of a secret are held back until the next feed or flush.
 * After a failure (of `out`) a stream is of no further use. `mask` is borrowed; the caller frees
 * the stream. */
struct lx_mask_stream *lx_mask_stream_new(const struct lx_mask *mask);
/* The same for text that programs read: the secrets are masked, tokens are left. */
struct lx_mask_stream *lx_mask_stream_new_secrets(const struct lx_mask *mask);
/* What it holds back is lost. NULL is accepted. */
void lx_mask_stream_free(struct lx_mask_stream *stream);
/* The next bytes of the stream: appends what is certain of them and of what was held, masked. */
int lx_mask_feed(struct lx_mask_stream *stream, const char *data, size_t len, struct lx_buf *out,
                 struct lx_err *err);
/* Nothing follows, or not as part of a secret: appends what was held, masked. The stream may be fed
 * again, as from its start. */
int lx_mask_flush(struct lx_mask_stream *stream, struct lx_buf *out, struct lx_err *err);
/* Bytes held back now. */
size_t lx_mask_held(const struct lx_mask_stream *stream);

#endif
