/*
 * What both stand-ins share: one HTTP server on one loop in a process of its own, a record of every
 * call, and faults that tests switch on. Private to host/local.
 */
#ifndef LUNEXEC_LOCAL_SERVE_H
#define LUNEXEC_LOCAL_SERVE_H

#include "lunexec/httpd.h"
#include "lunexec/json.h"
#include "lunexec/list.h"
#include "lunexec/loop.h"

struct lx_serve;

/* Set by the stand-in before lx_serve_run. */
struct lx_serve_opts {
    unsigned port;      /* 0: a free one */
    const char *record; /* file that gets one JSON line a call; NULL: none */
    const char *name;   /* for messages */
    /* A request, after faults were applied; answered with lx_serve_reply or lx_serve_stream. */
    void (*on_request)(void *arg, struct lx_httpd_req *req);
    /* POST /_control/<verb> other than "faults"; `body` is a JSON object. 0 or -1 with err. */
    int (*on_control)(void *arg, const char *verb, const json_t *body, struct lx_err *err);
    void *arg;
};

/* Listens on loopback. `opts` is copied, what it points to is borrowed; the caller frees the
 * server. LX_E_IO, LX_E_INVALID. */
int lx_serve_new(struct lx_loop *loop, const struct lx_serve_opts *opts,
                 struct lx_serve **ret_serve, struct lx_err *err);
void lx_serve_free(struct lx_serve *serve);
/* The port listened on. */
unsigned lx_serve_port(const struct lx_serve *serve);

/* Says "listening on PORT" on standard output, then serves until SIGTERM, SIGINT, or the end of
 * standard input if that is a pipe or a socket. */
int lx_serve_run(struct lx_serve *serve, struct lx_err *err);

/* Answers and records; `data` is copied. */
void lx_serve_reply(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status,
                    const char *type, const void *data, size_t len);
/* The same with a value as JSON, which is taken over. */
void lx_serve_reply_json(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status,
                         json_t *body);
/* The same with plain text. */
void lx_serve_reply_text(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status,
                         const char *text);

/* Records a call that is answered by a stream. */
void lx_serve_note(struct lx_serve *serve, struct lx_httpd_req *req, unsigned status);

/* Appends an event of the stand-in's own, {"t_ms":..,"event":name,...}; takes over `fields`. */
void lx_serve_event(struct lx_serve *serve, const char *name, json_t *fields);

/* ---- faults.c: answers that go wrong on purpose ---- */

/* {"match": part of "METHOD /path", "times": N, "status": S, "delay_ms": D, "retry_after": T}.
 * status 0 only delays. */
struct lx_fault {
    struct lx_list link;
    char *match;
    int64_t times;
    unsigned status;
    uint64_t delay_ms;
    char *retry_after;
};

/* Adds the faults of {"faults": [...]} or drops all with {"clear": true}. */
int lx_faults_control(struct lx_list *faults, const json_t *body, struct lx_err *err);
/* Drops all. */
void lx_faults_clear(struct lx_list *faults);
/* The fault for this call, counted down; NULL for none. Valid until the next call. */
const struct lx_fault *lx_faults_take(struct lx_list *faults, const char *method, const char *path);

#endif
