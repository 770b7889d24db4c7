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
     * each exactly once; a line comes in pieces when it is long or slow. Where the kubelet has
     * rotated lines away before they could be read, a line "[lunexec: log lines between T1 and T2
     * are missing: ...]" stands for them. Called from the loop; may not free the follower. */
    void (*on_data)(void *arg, const char *data, size_t len);
    /* The log is complete (err NULL) after lx_podlog_terminated, or reading it failed for good.
     * Deferred, once. */
    void (*on_end)(void *arg, const struct lx_err *err);
    void *arg;
    uint64_t give_up_ms; /* trying without any success after termination, [60000] */
};

/* Starts following at once; a container that does not run yet is waited for (better latency: start
 * when its status says running). Requests: `follow` and `timestamps`, resumed with `sinceTime`
 * (contract 6, 7.3). `opts` is copied; `kube` and `log` (may be NULL) outlive the follower, which
 * the caller frees. Always 0: what goes wrong comes through on_end. */
int lx_podlog_start(struct lx_kube *kube, const struct lx_podlog_opts *opts, struct lx_log *log,
                    struct lx_podlog **ret_podlog, struct lx_err *err);

/* The container has terminated: read to the end, confirm it with one more read, then on_end. A
 * pod that is gone by then is LX_E_NOT_FOUND. Further calls do nothing. */
void lx_podlog_terminated(struct lx_podlog *podlog);

/* The timestamp of the first line that was delivered, in nanoseconds since 1970; 0: there is none
 * yet. Another follower of the same container gets another one only if lines before it have been
 * rotated away. */
int64_t lx_podlog_begins_ns(const struct lx_podlog *podlog);

/* How many lines about missing ones were delivered, for metrics. */
uint64_t lx_podlog_gaps(const struct lx_podlog *podlog);

/* Stops; no callback is called any more. Allowed in on_end, not in on_data. NULL is accepted. */
void lx_podlog_free(struct lx_podlog *podlog);

#endif
