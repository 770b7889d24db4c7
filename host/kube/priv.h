/*
 * What the files of this room share.
 */
#ifndef LX_KUBE_PRIV_H
#define LX_KUBE_PRIV_H

#include "lunexec/creds.h"
#include "lunexec/kube.h"
#include "lunexec/list.h"
#include "lunexec/rand.h"

/* Calls of a class that are underway at once; further ones wait in line. So a sweep that deletes
 * hundreds of objects, or a list for every waiting job, leaves connections for creates. */
enum lx_kube_lane_id {
    LX_LANE_CREATE,
    LX_LANE_DELETE,
    LX_LANE_READ,
    LX_LANE_BACKGROUND,
    LX_LANE_COUNT
};

struct lx_kube_lane {
    unsigned underway;
    struct lx_list waiting; /* of struct lx_kube_call, by their lane_link */
};

struct lx_kube {
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_http *http;   /* calls and watches */
    struct lx_http *logs;   /* pod logs */
    struct lx_token *token; /* NULL with client certificates */
    char *server;
    struct lx_rand rand;
    struct lx_list calls; /* every lx_kube_call underway */
    struct lx_kube_lane lanes[LX_LANE_COUNT];
};

/* Starts one request on `http` (one of the two above): fills in URL and headers (authorization,
 * accept, content type when there is a body) and leaves the rest of `req` to the caller. `accept`
 * is a header, NULL for the usual one. */
int lx_kube_send(struct lx_kube *kube, struct lx_http *http, const char *path, const char *accept,
                 struct lx_http_req *req, struct lx_http_call **ret_call, struct lx_err *err);

/* "/api/v1/namespaces/NS/pods[/NAME][?QUERY]", names escaped. free(). */
char *lx_kube_path(enum lx_kube_kind kind, const char *ns, const char *name, const char *query);

/* Any call; deadline, callback and failures as lunexec/kube.h has them. */
struct lx_kube_call_opts {
    const char *method; /* static */
    char *path, *body;  /* taken over; body may be NULL */
    uint64_t deadline_ms;
    bool once; /* no retry inside, but after a rejected token; never waits in line */
    bool background;
    const char *accept; /* static; NULL: the usual header */
    /* The answer leads to another request, which is put in place of this one (0), or to no further
     * one (-1). NULL: the answer is the result. */
    int (*next)(struct lx_kube_call_opts *opts, const json_t *answer, struct lx_err *err);
    struct lx_kube_delete_opts removal; /* for `next`; without the uid */
    lx_kube_cb cb;
    void *arg;
};
/* Starts it. `opts` is copied, `path` and `body` are taken over. */
struct lx_kube_call *lx_kube_call_start(struct lx_kube *kube, const struct lx_kube_call_opts *opts);

/* Cancels every call; for lx_kube_free. */
void lx_kube_cancel_all(struct lx_kube *kube);

/* How long the server, or something before it, asks to wait, in reason: a date is told by a clock
 * that may not be ours. */
uint64_t lx_kube_retry_after_ms(const struct lx_http_result *answer);

/* What an answer that is no success means: fills `err` from the Status object or from the transport
 * error. `ret_reason` (may be NULL) gets Status.reason, "" if there is none; free(). */
void lx_kube_answer_err(const struct lx_http_result *result, struct lx_err *err, char **ret_reason);
/* The same for a Status object that came as a watch event. */
void lx_kube_status_err(const json_t *status, struct lx_err *err);

/* Fills *err with `text` on one line; the kind by HTTP status. */
void lx_kube_status_code_err(long status, const char *text, struct lx_err *err);

#endif
