/*
 * A bearer token: fixed, or in a file that is read again when it changes (bound service account
 * tokens rotate about hourly).
 */
#ifndef LUNEXEC_CREDS_H
#define LUNEXEC_CREDS_H

#include "lunexec/err.h"

struct lx_token;

/* Exactly one of `value` and `file`, both copied; white space around the token is dropped. With a
 * file the first read happens here. LX_E_INVALID: both or neither, an empty token, or one that no
 * header can carry; LX_E_NOT_FOUND, LX_E_IO, LX_E_LIMIT (64 KiB): the file. */
int lx_token_new(const char *value, const char *file, struct lx_token **ret_token,
                 struct lx_err *err);
void lx_token_free(struct lx_token *token);

/* The current token, never NULL. A file is looked at again at most every 10 s; a file that cannot
 * be read keeps the last good token. Borrowed until the next call. Reads the file at once. */
const char *lx_token_get(struct lx_token *token);

/* The server answered 401: the next get reads the file in any case. */
void lx_token_rejected(struct lx_token *token);

#endif
