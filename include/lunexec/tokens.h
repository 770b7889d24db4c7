/*
 * Well-known tokens, found by how they begin ("ghp_" and 36 characters) and masked as "****".
 */
#ifndef LUNEXEC_TOKENS_H
#define LUNEXEC_TOKENS_H

#include "lunexec/err.h"

struct lx_tokens;

/*
 * Compiles a comma-separated list. An item is a prefix of 3 to 32 printable characters, optionally
 * followed by {N}: at least N (1 to 128, [16]) letters, digits, "_" or "-" must come after it, and
 * all that come are masked. "default" stands for the built-in list, "off" (alone) or "" for
 * nothing: *ret_tokens is NULL then. A prefix that ends with a letter or digit counts only where
 * none stands before it. LX_E_INVALID names the item. The caller frees *ret_tokens.
 */
int lx_tokens_new(const char *list, struct lx_tokens **ret_tokens, struct lx_err *err);
void lx_tokens_free(struct lx_tokens *tokens);

#endif
