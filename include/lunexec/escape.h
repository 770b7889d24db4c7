/*
 * Text for JSON strings, and UTF-8.
 */
#ifndef LUNEXEC_ESCAPE_H
#define LUNEXEC_ESCAPE_H

#include "lunexec/buf.h"

#include <stddef.h>

/* Appends `text` as the inside of a JSON string: quotes, backslashes and control characters
 * escaped, every byte that is not part of valid UTF-8 as U+FFFD (contract 7.3); no quotes around
 * it. LX_E_LIMIT, LX_E_IO; the buffer is then as it was. */
int lx_json_escape(struct lx_buf *out, const char *text, size_t len, struct lx_err *err);

/* The length of the valid UTF-8 sequence that `text` starts with, 1 to 4; 0 if there is none (also
 * when it is cut at `left` bytes). Surrogates and overlong forms are not valid. */
size_t lx_utf8_sequence(const char *text, size_t left);

#endif
