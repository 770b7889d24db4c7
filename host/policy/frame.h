/*
 * Frames: a 4-byte little-endian length, then that many bytes, here one value of value.h.
 */
#ifndef LX_POLICY_FRAME_H
#define LX_POLICY_FRAME_H

#include "lunexec/buf.h"

/* The longest frame, without its length. */
#define LX_FRAME_MAX ((size_t)8 << 20)
#define LX_FRAME_HEAD 4
#define LX_FRAME_BUF_INIT LX_BUF_INIT(LX_FRAME_HEAD + LX_FRAME_MAX)

/* Empties `out` and leaves room for the length; the caller appends the bytes and seals. */
int lx_frame_begin(struct lx_buf *out, struct lx_err *err);
/* Puts the length in its place: the frame is whole. */
void lx_frame_seal(struct lx_buf *out);

/* Whether the bytes collected in `in` begin with a whole frame: 1 and its bytes (borrowed), 0 when
 * more are needed (then *ret_missing says how many), -1 with LX_E_LIMIT when its length is too
 * large. */
int lx_frame_peek(const struct lx_buf *in, const char **ret_data, size_t *ret_len,
                  size_t *ret_missing, struct lx_err *err);

#endif
