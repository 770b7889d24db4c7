/*
 * What the files of the pod watch share.
 */
#ifndef LX_KUBE_WATCH_PRIV_H
#define LX_KUBE_WATCH_PRIV_H

#include "kube/priv.h"
#include "lunexec/backoff.h"
#include "lunexec/lines.h"
#include "lunexec/watch.h"

/* ---- Cache: pod records by UID ---- */

struct lx_watch_cache;

/* An empty cache; the caller frees it with its records. */
struct lx_watch_cache *lx_watch_cache_new(void);
void lx_watch_cache_free(struct lx_watch_cache *cache);

/* A list begins: what it does not bring again is stale afterwards. */
void lx_watch_cache_begin(struct lx_watch_cache *cache);

/* Keeps the record of a pod object; *ret_pod is it, NULL when this version was known already. */
int lx_watch_cache_put(struct lx_watch_cache *cache, const json_t *object,
                       const struct lx_pod **ret_pod, struct lx_err *err);

/* Takes the pod out; *ret_pod (the caller's) is the record of `object`, NULL if it was not in. */
int lx_watch_cache_remove(struct lx_watch_cache *cache, const json_t *object,
                          struct lx_pod **ret_pod, struct lx_err *err);

/* Takes out all that the list begun last did not bring; the caller owns array and records. */
struct lx_pod **lx_watch_cache_take_stale(struct lx_watch_cache *cache, size_t *ret_n);

/* The record of a Job's pod, the newest by creation if several; NULL if none. Borrowed until the
 * cache changes. */
const struct lx_pod *lx_watch_cache_find(const struct lx_watch_cache *cache, const char *job_name);
/* The pod with the UID; NULL if there is none. */
const struct lx_pod *lx_watch_cache_get(const struct lx_watch_cache *cache, const char *uid);

/* ---- The watch ---- */

struct lx_watch {
    struct lx_kube *kube;
    struct lx_log *log;
    struct lx_watch_opts opts;
    char *ns;       /* what opts.ns points to */
    char *selector; /* percent-encoded */
    struct lx_watch_cache *cache;
    bool running;   /* not paused */
    int delivering; /* inside a callback of the owner */

    struct lx_kube_call *list;
    char *more; /* the list's continue token */

    struct lx_http_call *stream;
    uint64_t stream_at_ms;
    char *version;        /* resourceVersion to watch from; NULL: list first */
    bool opened, moved;   /* the stream was accepted; it brought something */
    bool token_rejected;  /* the one extra try after a 401 was made */
    struct lx_task drain; /* bytes in `raw` wait, or the stream was accepted */
    struct lx_buf raw;
    struct lx_lines lines;
    struct lx_err line_err; /* why on_line stopped; code LX_OK otherwise */

    struct lx_timer *retry;
    struct lx_backoff backoff;
    struct lx_timer *alarm; /* unhealthy when it fires */
    bool known, healthy;    /* what the owner was told */
    struct lx_err trouble;  /* the last failure */
};

/* Lists if there is no version to go on from, else watches. */
void lx_watch_go(struct lx_watch *watch);
/* watch_stream.c: prepares its part of a new watch. */
void lx_watch_stream_init(struct lx_watch *watch);
/* Watches from watch->version on, which must be known. */
void lx_watch_stream(struct lx_watch *watch);
/* Ends the stream; bytes of it that were not looked at are dropped. */
void lx_watch_stream_stop(struct lx_watch *watch);
/* Feeds one line of the stream; for tests and fuzzing it needs no connection. Returns 0, or -1 with
 * what ends the stream: LX_E_GONE asks for a new list. */
int lx_watch_event(struct lx_watch *watch, const char *line, size_t len, struct lx_err *err);

/* The server answered well. */
void lx_watch_good(struct lx_watch *watch);
/* It did not; goes on after the backoff, at least `wait_ms`. */
void lx_watch_trouble(struct lx_watch *watch, const struct lx_err *err, uint64_t wait_ms);
/* True when paused; then releases what a pause inside a callback could not. */
bool lx_watch_stopped(struct lx_watch *watch);
/* Keeps the record of a pod object and tells the owner if it is new. */
void lx_watch_keep(struct lx_watch *watch, const json_t *object);
/* Tells the owner, unless the watch was paused meanwhile. */
void lx_watch_deliver(struct lx_watch *watch, enum lx_pod_event event, const struct lx_pod *pod);

#endif
