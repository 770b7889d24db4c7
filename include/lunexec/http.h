/*
 * HTTP client: libcurl's multi-socket interface on the loop. HTTP/1.1 and HTTP/2, TLS with a
 * custom CA and client certificate, keep-alive, streams both ways, deadlines, cancellation.
 * Everything, callbacks too, on the loop's thread; a loop outlives its clients.
 */
#ifndef LUNEXEC_HTTP_H
#define LUNEXEC_HTTP_H

#include "lunexec/err.h"
#include "lunexec/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct lx_http;
struct lx_http_call;

/* Trust and limits of one client; strings are copied. Zero values mean the default in brackets. */
struct lx_http_opts {
    const char *ca_file;   /* PEM bundle, read again when it may have changed [the system's] */
    const char *ca_data;   /* PEM text instead of a file */
    const char *cert_file; /* client certificate, PEM */
    const char *cert_data;
    const char *key_file; /* its key, PEM */
    const char *key_data;
    const char *user_agent;            /* [no header is sent] */
    unsigned max_connections;          /* in all [64] */
    unsigned max_connections_per_host; /* [16] */
    unsigned connect_timeout_ms;       /* DNS, TCP and TLS together [10000] */
    unsigned ca_cache_s;               /* how long ca_file may be remembered [60] */
    bool http1_only;                   /* never HTTP/2 [HTTP/2 over TLS where offered] */
};

/* Makes a client; connects to nothing yet. LX_E_IO, naming the file when one of the files cannot be
 * read. The caller frees it. */
int lx_http_new(struct lx_loop *loop, const struct lx_http_opts *opts, struct lx_http **ret_http,
                struct lx_err *err);
/* Cancels what still runs (no callback is called) and closes all connections. Not from within
 * on_head or on_data. */
void lx_http_free(struct lx_http *http);

/* How far a call that brought no answer had come. Decides whether a retry can duplicate work. */
enum lx_http_reach {
    LX_HTTP_UNSENT,   /* no connection: the peer cannot have seen the request */
    LX_HTTP_SENT,     /* sent or partly sent; nothing is known of its effect */
    LX_HTTP_ANSWERED, /* a complete answer was received; `status` is valid */
    LX_HTTP_CUT,      /* the answer began and broke off; `status` is valid */
};

/* How a call ended; valid in on_done only. */
struct lx_http_result {
    enum lx_http_reach reach;
    long status;      /* HTTP status, 0 without an answer */
    const char *body; /* collected body, NUL-terminated; "" for streams */
    size_t body_len;
    uint64_t retry_after_ms; /* from Retry-After (seconds or a date), 0 if none */
    uint64_t duration_ms;
    /* Why, when reach is not ANSWERED; says host and port, never headers. LX_E_TIMEOUT: one of the
     * timeouts, connecting too; LX_E_LIMIT: beyond max_body; LX_E_CANCELLED: on_data or read_body
     * ended the call; LX_E_INVALID: read_body did not give body_len bytes; LX_E_PEER: an answer
     * that is not HTTP; LX_E_IO: all else. */
    struct lx_err err;
};

/* The body is borrowed until on_done was called or the call was cancelled. Redirects are not
 * followed; the proxy variables of the environment (https_proxy, no_proxy, ...) are obeyed as curl
 * does. Headers other than Host, Accept and Content-Length are the caller's. */
struct lx_http_req {
    const char *method;         /* "GET" when NULL */
    const char *url;            /* copied */
    const char *const *headers; /* "Name: value", NULL-terminated; copied */
    const char *body;           /* NULL for none */
    size_t body_len;
    /* Instead of body: called for up to `size` bytes; returns how many were written, 0 at the end,
     * -1 to abort. body_len is then the exact total (sent as Content-Length). */
    ssize_t (*read_body)(void *arg, char *out, size_t size);
    /* The same bytes again from the start, should the connection have to be made anew; 0 or -1.
     * Required with read_body. */
    int (*rewind_body)(void *arg);
    /* curl sends a request again by itself when a kept connection breaks before the first byte of
     * the answer: the server may then have seen it twice. With `once` a request with a body fails
     * instead (LX_HTTP_SENT); rewind_body is not needed then. */
    bool once;
    uint64_t timeout_ms;      /* the whole call, waiting for a connection included; 0: none */
    uint64_t idle_timeout_ms; /* without a byte received or taken from the body; 0: none */
    size_t max_body;          /* collected answer, beyond it the call fails [16 MiB] */

    /* Optional. Both are called inside curl: they may start and cancel calls (that takes effect
     * when curl has returned), but not free the client. on_head gets the final status (>= 200). */
    void (*on_head)(void *arg, long status);
    /* Body bytes as they come, for status 2xx only (other bodies are collected). Returns 0, or
     * LX_HTTP_LATER: these bytes are given again after lx_http_resume, and until then the peer has
     * to wait; any other return aborts the call. */
    int (*on_data)(void *arg, const char *data, size_t len);
    /* Exactly once, deferred, unless the call was cancelled. */
    void (*on_done)(void *arg, const struct lx_http_result *result);
    void *arg;
};

/* Starts the call. It fails only for a malformed request (LX_E_INVALID) or when memory is out
 * (LX_E_IO), and then without on_done; whatever the network does comes through on_done. *ret_call
 * (ret_call may be NULL) is the client's, and valid until on_done returned or it was cancelled. */
int lx_http_start(struct lx_http *http, const struct lx_http_req *req,
                  struct lx_http_call **ret_call, struct lx_err *err);

/* What on_data returns to be given the same bytes again. */
#define LX_HTTP_LATER 0x1a7e
/* Goes on with a call whose on_data has returned LX_HTTP_LATER; on_data may be called before it
 * returns. Not from within a client's on_head or on_data. Harmless for a call that is at its end,
 * as long as it is valid. */
void lx_http_resume(struct lx_http_call *call);

/* Stops the call; none of its callbacks is called any more, and it is not valid any more. NULL is
 * accepted, and so is the call whose on_done is running, which changes nothing. */
void lx_http_cancel(struct lx_http_call *call);

/* Calls whose on_done has not been called yet. */
size_t lx_http_active(const struct lx_http *http);

/* Once at the start of the program (curl's global state), before there is a second thread. A client
 * needs SIGPIPE ignored, which lx_loop_new does. LX_E_IO. */
int lx_http_global_init(struct lx_err *err);
/* Once at its end, when all clients are freed. */
void lx_http_global_done(void);

#endif
