/*
 * Text helpers that several rooms need.
 */
#ifndef LUNEXEC_TEXT_H
#define LUNEXEC_TEXT_H

#include "lunexec/buf.h"
#include "lunexec/mem.h"

#include <stdbool.h>
#include <stddef.h>

bool lx_streq(const char *a, const char *b); /* NULL equals only NULL */
bool lx_starts_with(const char *text, const char *prefix);
bool lx_ends_with(const char *text, const char *suffix);

/* Splits at every `sep` without trimming; "" gives one empty piece. NULL-terminated array; release
 * with lx_strv_free. */
char **lx_split(const char *text, char sep);
void lx_strv_free(char **strv);
/* The same, and what was in it is overwritten. */
void lx_strv_wipe(char **strv);
size_t lx_strv_len(char *const *strv); /* NULL counts 0 */
LX_DEFINE_AUTO(strv, char **, lx_strv_free)
LX_DEFINE_AUTO(secret_strv, char **, lx_strv_wipe)

/* Appends `text` as one POSIX shell word: '...' with ' written as '"'"'. LX_E_INVALID for a
 * NUL byte. On failure the buffer is as it was. */
int lx_shell_quote(struct lx_buf *out, const char *text, size_t len, struct lx_err *err);

/* RFC 4648 base64 with padding. Decoding refuses anything else (line breaks, missing padding, bits
 * left over) with LX_E_INVALID. On failure the buffer is as it was. */
int lx_base64_encode(struct lx_buf *out, const void *data, size_t len, struct lx_err *err);
int lx_base64_decode(struct lx_buf *out, const char *text, size_t len, struct lx_err *err);

/* Lexical path cleaning as Go's path.Clean: no "//", ".", inner ".."; "" gives ".". free(). */
char *lx_path_clean(const char *path);
/* Joins two parts with "/" and cleans; an empty part is left out, two give ".". free(). */
char *lx_path_join(const char *a, const char *b);

/* Edit distance, at most `limit` + 1: for "did you mean". */
size_t lx_edit_distance(const char *a, const char *b, size_t limit);

#endif
