/*
 * Follows one container's log from its first byte, with server timestamps, reopening from the last
 * timestamp when the stream ends before the container has; the overlap is removed line by line.
 * End of stream is a hint; the pod's status is the truth, so the owner says when the container has
 * terminated.
 */
#ifndef LUNEXEC_PODLOG_H
#define LUNEXEC_PODLOG_H

#include "lunexec/kube.h"

struct lx_podlog;

struct lx_podlog_opts {
    const char *ns, *pod, *container; /* copied */
    /* Log bytes without timestamps, as the container wrote them (line ends included), in order,
     * each exactly once. Called from the loop. */
    void (*on_data)(void *arg, const char *data, size_t len);
    /* The log is complete (err NULL) after lx_podlog_terminated, or reading it failed for good.
     * Deferred, once. */
    void (*on_end)(void *arg, const struct lx_err *err);
    void *arg;
    uint64_t give_up_ms; /* trying without any success after termination, [60000] */
};

/* Starts following; the container need not have started yet. `opts` is copied. */
int lx_podlog_start(struct lx_kube *kube, const struct lx_podlog_opts *opts, struct lx_log *log,
                    struct lx_podlog **ret_podlog, struct lx_err *err);

/* The container has terminated: read to the end, confirm it, then on_end. */
void lx_podlog_terminated(struct lx_podlog *podlog);

/* Stops; no callback is called any more. */
void lx_podlog_free(struct lx_podlog *podlog);

#endif
