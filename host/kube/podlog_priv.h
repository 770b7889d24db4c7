/*
 * What the files of the log follower share.
 */
#ifndef LX_KUBE_PODLOG_PRIV_H
#define LX_KUBE_PODLOG_PRIV_H

#include "kube/podlog_lines.h"
#include "kube/priv.h"
#include "lunexec/backoff.h"
#include "lunexec/podlog.h"

struct lx_podlog {
    struct lx_kube *kube;
    struct lx_log *log;
    struct lx_podlog_opts opts;
    char *ns, *pod, *container;
    struct lx_loglines lines;
    bool in_data; /* inside the owner's on_data */

    struct lx_http_call *call;
    bool last;     /* the call is the read after termination, without follow */
    bool moved;    /* it brought bytes of the container that were new */
    bool rejected; /* the one extra try after a 401 was made */
    struct lx_task drain;
    struct lx_buf raw;

    bool terminated, ended;
    bool clean;       /* the last follow ended by itself, so that nothing is known to be missing */
    uint64_t good_ms; /* last success, or the termination */
    struct lx_timer *retry;
    struct lx_timer *quiet; /* after termination: the stream says nothing more */
    struct lx_backoff backoff;

    struct lx_task end;
    struct lx_err end_err; /* code LX_OK: complete */
};

/* podlog_read.c: prepares its part of a new follower. */
void lx_podlog_read_init(struct lx_podlog *podlog);
/* Opens the stream, or after termination the last read. */
void lx_podlog_open(struct lx_podlog *podlog);
/* Stops the request underway, keeping the bytes that have come. */
void lx_podlog_cut(struct lx_podlog *podlog);

/* ---- podlog.c: what happens next when a request has ended ---- */

/* Opens the next one after `wait_ms`. */
void lx_podlog_again(struct lx_podlog *podlog, uint64_t wait_ms);
/* The request failed: opens the next one after the backoff, at least `wait_ms`; or gives up, when
 * the container has terminated and its pod is gone or nothing has worked for too long. */
void lx_podlog_failed(struct lx_podlog *podlog, const struct lx_err *err, uint64_t wait_ms);
/* Nothing follows: on_end, deferred, with `err` (copied; NULL: complete). */
void lx_podlog_finish(struct lx_podlog *podlog, const struct lx_err *err);
/* Bytes have come: the stream is not quiet. */
void lx_podlog_on_bytes(struct lx_podlog *podlog);

#endif
