/* Inside the HTTP server only. */
#ifndef LX_NET_HTTPD_PRIV_H
#define LX_NET_HTTPD_PRIV_H

#include "lunexec/buf.h"
#include "lunexec/httpd.h"
#include "lunexec/list.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

struct lx_httpd {
    struct lx_loop *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t *poll;         /* on libmicrohttpd's epoll descriptor */
    struct lx_timer *timer;  /* when libmicrohttpd wants to run without an event */
    struct lx_task run_task; /* runs it because we changed something */
    struct lx_list reqs;
    unsigned port;
    size_t max_body;
    void (*on_request)(void *arg, struct lx_httpd_req *req);
    void *arg;
    bool closing;
};

/* A request's way. The handler owes an answer from WAITING on. */
enum lx_httpd_state {
    LX_HTTPD_RECEIVING,
    LX_HTTPD_COMPLETE, /* received, on_request is about to be called */
    LX_HTTPD_WAITING,
    LX_HTTPD_STREAMING,
    LX_HTTPD_ANSWERED, /* the handler is done with it */
};

struct lx_httpd_pair {
    char *name, *value;
};

struct lx_httpd_req {
    struct lx_list link;
    struct lx_httpd *httpd;
    struct MHD_Connection *conn; /* NULL once the client has gone */
    enum lx_httpd_state state;
    struct lx_task task; /* on_request, later on_close */
    bool started, too_large, suspended;

    /* The request, copied: it outlives the connection. */
    char *method, *raw_path, *path, *query_string;
    struct lx_httpd_pair *headers, *query; /* ended by a NULL name */
    struct lx_buf body;

    /* The answer. */
    unsigned status;
    struct MHD_Response *response; /* until it is queued */
    struct lx_buf out;             /* stream: bytes not yet taken, from out_start on */
    size_t out_start;
    bool ended, dead, closing;
    uv_poll_t *hangup; /* stream: watches for the client's end */
    void (*on_close)(void *arg);
    void *close_arg;
};

/* httpd_req.c: a request of which the line has come; `uri` is copied. In the server's list. */
struct lx_httpd_req *lx_httpd_req_new(struct lx_httpd *httpd, struct MHD_Connection *conn,
                                      const char *uri);
void lx_httpd_req_free(struct lx_httpd_req *req);
/* Percent-decodes. What is no escape stays as it is, and so does %00: it would end the string.
 * free(). */
char *lx_httpd_decode(const char *text, size_t len, bool plus_is_space);
/* The pairs of a query string, decoded, ended by a NULL name. */
struct lx_httpd_pair *lx_httpd_parse_query(const char *text);
void lx_httpd_pairs_free(struct lx_httpd_pair *pairs);
/* Copies method and headers, decodes path and query. */
void lx_httpd_req_capture(struct lx_httpd_req *req, const char *method);

/* httpd_answer.c: the client has gone, or the server is being freed. */
void lx_httpd_req_gone(struct lx_httpd_req *req);
/* Wakes a suspended connection and has libmicrohttpd run. */
void lx_httpd_req_wake(struct lx_httpd_req *req);
/* Calls on_close of a stream, and frees the request. */
void lx_httpd_req_close_now(struct lx_httpd_req *req);

/* httpd_listen.c: a listening socket; the caller owns *ret_fd. Fails as lx_httpd_new. */
int lx_httpd_listen(const char *address, unsigned port, int *ret_fd, unsigned *ret_port,
                    struct lx_err *err);

/* Stops and closes a poll handle from the heap; NULL is accepted. */
void lx_httpd_poll_close(uv_poll_t *poll);

#endif
