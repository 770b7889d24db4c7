/*
 * Text helpers that several rooms need.
 */
#ifndef LUNEXEC_TEXT_H
#define LUNEXEC_TEXT_H

#include "lunexec/buf.h"
#include "lunexec/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether both are the same text; NULL equals only NULL. */
bool lx_streq(const char *a, const char *b);
/* Whether `text` begins with `prefix`, as every text does with ""; neither may be NULL. */
bool lx_starts_with(const char *text, const char *prefix);
/* Whether `text` ends with `suffix`; neither may be NULL. */
bool lx_ends_with(const char *text, const char *suffix);

/* Splits at every `sep` without trimming; "" gives one empty piece. NULL-terminated array; release
 * with lx_strv_free. */
char **lx_split(const char *text, char sep);
/* Frees a NULL-terminated array and its strings, each from malloc. NULL is accepted. */
void lx_strv_free(char **strv);
/* The same, and the strings are overwritten first. */
void lx_strv_wipe(char **strv);
/* How many strings stand before the NULL; 0 for a NULL array. */
size_t lx_strv_len(char *const *strv);
LX_DEFINE_AUTO(strv, char **, lx_strv_free)
LX_DEFINE_AUTO(secret_strv, char **, lx_strv_wipe)

/* Appends `text` as one POSIX shell word: '...' with ' written as '"'"'. LX_E_INVALID for a
 * NUL byte, LX_E_LIMIT, LX_E_IO. On failure the buffer is as it was. */
int lx_shell_quote(struct lx_buf *out, const char *text, size_t len, struct lx_err *err);

/* Appends bytes as base64 (RFC 4648) with padding, on one line. LX_E_LIMIT, LX_E_IO; the buffer is
 * then as it was. */
int lx_base64_encode(struct lx_buf *out, const void *data, size_t len, struct lx_err *err);
/* Appends what such a text stands for. LX_E_INVALID for anything else (line breaks, missing
 * padding, bits left over), LX_E_LIMIT, LX_E_IO; the buffer is then as it was. */
int lx_base64_decode(struct lx_buf *out, const char *text, size_t len, struct lx_err *err);

/* Lexical path cleaning as Go's path.Clean: no "//", ".", inner ".."; "" gives ".". free(). */
char *lx_path_clean(const char *path);
/* Joins two parts with "/" and cleans; an empty part is left out, two give ".". free(). */
char *lx_path_join(const char *a, const char *b);

/* How many characters (bytes) to insert, remove or replace make `b` of `a`; `limit` + 1 when that
 * is more than `limit`. For "did you mean". */
size_t lx_edit_distance(const char *a, const char *b, size_t limit);

#endif
