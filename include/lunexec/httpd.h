/*
 * HTTP server: libmicrohttpd on the loop. Serves /metrics and /healthz, and the stand-ins of local
 * mode. HTTP/1.1 without TLS.
 */
#ifndef LUNEXEC_HTTPD_H
#define LUNEXEC_HTTPD_H

#include "lunexec/err.h"
#include "lunexec/loop.h"

#include <stddef.h>

struct lx_httpd;
struct lx_httpd_req;

/* Strings are borrowed during lx_httpd_new only. Zero values mean the default in brackets. */
struct lx_httpd_opts {
    const char *address;      /* "127.0.0.1", "::", ... [all, IPv6's too where there is any] */
    unsigned port;            /* 0 takes a free one, see lx_httpd_port */
    unsigned max_connections; /* [64] */
    size_t max_body;          /* larger request bodies are answered 413 [16 MiB] */
    unsigned idle_timeout_s;  /* [0: none] */
    /* A complete request, deferred. It must be answered, now or later, by exactly one of reply,
     * reply_with, stream_begin and drop; the request is valid until then, whether or not the
     * client still waits (for a stream: until its end, drop or on_close), or until the server is
     * freed. */
    void (*on_request)(void *arg, struct lx_httpd_req *req);
    void *arg;
};

/* Listens, and serves while the loop runs. LX_E_INVALID for a bad address or port, LX_E_IO when it
 * cannot be listened on. The caller frees it. */
int lx_httpd_new(struct lx_loop *loop, const struct lx_httpd_opts *opts,
                 struct lx_httpd **ret_httpd, struct lx_err *err);
/* Closes all connections; on_close of open streams is called before it returns; requests that were
 * not answered are gone. Not from within on_request or on_close. */
void lx_httpd_free(struct lx_httpd *httpd);
/* The port listened on, also when the options left it open. */
unsigned lx_httpd_port(const struct lx_httpd *httpd);

/* ---- What a request says: borrowed from it, so valid as long as it ---- */

/* "GET", "POST", ... as sent. */
const char *lx_httpd_method(const struct lx_httpd_req *req);
/* The path, percent-decoded, without query; %00 and broken escapes stay. */
const char *lx_httpd_path(const struct lx_httpd_req *req);
/* The path as sent, without query. */
const char *lx_httpd_raw_path(const struct lx_httpd_req *req);
/* What follows the "?", as sent; "" if there is none. */
const char *lx_httpd_query_string(const struct lx_httpd_req *req);
/* The decoded value of the first query parameter of this name, "" without a "="; NULL if absent. */
const char *lx_httpd_query(const struct lx_httpd_req *req, const char *name);
/* The value of the first header of this name, in any case; NULL if absent. */
const char *lx_httpd_header(const struct lx_httpd_req *req, const char *name);
/* The body, and its length (ret_len may be NULL); any bytes, with a NUL behind them that is not
 * counted; "" if there is none. */
const char *lx_httpd_body(const struct lx_httpd_req *req, size_t *ret_len);

/* ---- Answers: after each but a stream's beginning and writes, the request is gone ---- */

/* Closes the connection without an answer, or in the middle of a stream; on_close is not called.
 * In on_close it does nothing. */
void lx_httpd_drop(struct lx_httpd_req *req);

/* The whole answer at once; `data` is copied. NULL as `content_type`: no such header. */
void lx_httpd_reply(struct lx_httpd_req *req, unsigned status, const char *content_type,
                    const void *data, size_t len);
/* The same with headers of the caller's: a NULL-terminated list of "Name: value", or NULL. */
void lx_httpd_reply_with(struct lx_httpd_req *req, unsigned status, const char *const *extra,
                         const void *data, size_t len);

/* A chunked answer that grows. `extra` as above. `on_close` (may be NULL) is called once when the
 * client has gone (deferred; also when it only shut down its sending side) or the server is freed,
 * not after lx_httpd_stream_end or lx_httpd_drop; the request is freed after it. */
void lx_httpd_stream_begin(struct lx_httpd_req *req, unsigned status, const char *const *extra,
                           void (*on_close)(void *arg), void *arg);
/* Queues bytes (copied); LX_E_LIMIT when more than 64 MiB would wait, LX_E_IO when memory is out.
 * Bytes for a client that has gone are dropped: on_close is on its way. */
int lx_httpd_stream_write(struct lx_httpd_req *req, const void *data, size_t len,
                          struct lx_err *err);
/* Bytes queued and not yet taken by the connection. */
size_t lx_httpd_stream_pending(const struct lx_httpd_req *req);
/* What is queued is still sent, then the answer ends. In on_close it does nothing. */
void lx_httpd_stream_end(struct lx_httpd_req *req);

#endif
