/* Inside the HTTP client only. */
#ifndef LX_NET_HTTP_PRIV_H
#define LX_NET_HTTP_PRIV_H

#include "lunexec/buf.h"
#include "lunexec/http.h"
#include "lunexec/list.h"

#include <curl/curl.h>

/* Trust, and what every call of a client shares. */
struct lx_http_conf {
    char *ca_file, *ca_data, *cert_file, *cert_data, *key_file, *key_data, *user_agent;
    unsigned connect_timeout_ms, ca_cache_s;
    bool http1_only;
};

struct lx_http {
    struct lx_loop *loop;
    CURLM *multi;
    struct lx_timer *timer;  /* the one deadline that curl asked for */
    struct lx_list calls;    /* all that were started and whose on_done has not been called */
    struct lx_task add_task; /* adds calls that were started inside curl */
    struct lx_http_conf conf;
    size_t n_calls;
    unsigned inside; /* > 0 while curl is on the stack: its handles are not touched then */
};

struct lx_http_call {
    struct lx_list link;
    struct lx_http *http; /* NULL once it has left the client's list */
    CURL *easy;           /* NULL once curl is done with it */
    struct curl_slist *headers;
    struct lx_http_req req; /* method, url and headers are not kept here */
    char *peer;             /* "host:port" for messages */
    struct lx_task done_task;
    struct lx_timer *idle; /* NULL without an idle timeout */
    uint64_t started_ms, active_ms;
    size_t body_sent;   /* request body bytes handed to curl */
    struct lx_buf body; /* collected answer */
    long status;        /* of the final header block, 0 before it */
    bool in_multi, cancelled, delivering;
    bool overdue;           /* the idle timeout has passed, as far as we have read */
    enum lx_code stop_code; /* a callback ended the call: why */
    const char *stop_text;
    struct lx_http_result result;
    char error[CURL_ERROR_SIZE];
};

/* ---- http.c: the client ---- */

/* Hands the call to curl; while curl is on the stack, a moment later. LX_E_IO. */
int lx_http_add(struct lx_http_call *call, struct lx_err *err);
/* Takes it away from curl, if it has it. Not while curl is on the stack. */
void lx_http_remove(struct lx_http_call *call);

/* ---- http_socket.c: sockets and the deadline ---- */

/* Has curl's sockets and its deadline watched by the loop. LX_E_IO. */
int lx_http_socket_setup(struct lx_http *http, struct lx_err *err);
/* For http->timer, with the client as `arg`: curl's deadline has come. */
void lx_http_on_deadline(void *arg);
/* Finishes the calls that curl is done with. After every entry into curl that moves bytes. */
void lx_http_drain(struct lx_http *http);

/* ---- http_call.c: one call ---- */

/* The transfer has ended: fills the result and has on_done called, deferred; frees a call that was
 * cancelled. */
void lx_http_finish(struct lx_http_call *call, CURLcode code);
/* Takes the call from wherever it is, and frees it. Not while curl is on the stack. */
void lx_http_destroy(struct lx_http_call *call);

/* ---- http_easy.c: options and curl's callbacks of one call ---- */

/* Makes the easy handle of a request. LX_E_INVALID for a malformed one, LX_E_IO when memory is out.
 */
int lx_http_easy_setup(struct lx_http_call *call, const struct lx_http_req *req,
                       struct lx_err *err);

/* ---- http_tls.c: trust ---- */

/* Copies the options. LX_E_IO naming a file that cannot be read. */
int lx_http_conf_copy(const struct lx_http_opts *opts, struct lx_http_conf *ret_conf,
                      struct lx_err *err);
void lx_http_conf_done(struct lx_http_conf *conf);
/* Gives trust and client certificate to an easy handle, which borrows them. */
CURLcode lx_http_tls_setup(const struct lx_http_conf *conf, CURL *easy);

#endif
