/*
 * URLs: checking, joining, escaping.
 */
#ifndef LUNEXEC_URL_H
#define LUNEXEC_URL_H

#include "lunexec/buf.h"

/* The parts of a URL, not decoded; all owned, lx_url_done frees. */
struct lx_url {
    char *scheme, *host, *path; /* path "" when there is none; host without brackets */
    char *userinfo;             /* NULL when there is none */
    int port;                   /* 0 when not given */
};

/* Parses an absolute http or https URL as the HTTP client would; LX_E_INVALID otherwise, quoting
 * nothing of it, LX_E_IO when memory is out. A query or fragment is checked but not kept. Release
 * with lx_url_done. */
int lx_url_parse(const char *text, struct lx_url *ret_url, struct lx_err *err);
/* Frees the parts and overwrites userinfo; the struct is empty afterwards. NULL is accepted. */
void lx_url_done(struct lx_url *url);

/* base + cleaned path: "http://h/x" and "/.executors/queue" give "http://h/x/.executors/queue"
 * (contract 1.1). No double slash. A query of base is dropped, one of path is kept as it is.
 * free(). */
char *lx_url_join(const char *base, const char *path);

/* Resolves an absolute path against base: a path in base is dropped (contract 5.3). free(). */
char *lx_url_resolve(const char *base, const char *absolute_path);

/* Appends `text` percent-encoded for one path segment or query value (unreserved kept). LX_E_LIMIT,
 * LX_E_IO; `out` may then hold a part. */
int lx_url_escape(struct lx_buf *out, const char *text, size_t len, struct lx_err *err);

#endif
