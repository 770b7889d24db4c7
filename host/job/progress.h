/*
 * Why a job is not running, told in its log as it happens: each thing once, as lines of
 * `setup.workspace`, the first entry that users see, or once that has ended of the entry that is
 * still open: between two containers of a pod the first one's.
 */
#ifndef LX_JOB_PROGRESS_H
#define LX_JOB_PROGRESS_H

#include "job/entries.h"
#include "lunexec/watch.h"

struct lx_progress;

/* `entries` is borrowed. The entry is opened with the first thing to tell. */
struct lx_progress *lx_progress_new(struct lx_entries *entries);
void lx_progress_free(struct lx_progress *progress);

struct lx_progress_wait {
    struct lx_loop *loop;
    struct lx_kube *kube;
    const char *ns, *job_name; /* of the Kubernetes Job; copied */
    bool *events_denied; /* shared by all jobs: set when the API server refuses to list events */
};

/* The Job is made; its containers are waited for. When one takes more than a few seconds to start,
 * what the cluster's Events say of Job and pod is told, while the role lets us list them. A further
 * call (another Job) begins anew. */
void lx_progress_wait(struct lx_progress *progress, const struct lx_progress_wait *wait);
/* The wait is over, whatever became of it. */
void lx_progress_stop(struct lx_progress *progress);

/* Tells `text` as a line, unless it was told before. */
void lx_progress_tell(struct lx_progress *progress, const char *text);

/* The text was told by an earlier process. */
void lx_progress_told(struct lx_progress *progress, const char *text);

/* Tells what the pod waits for: a node, an image, a configuration. */
void lx_progress_pod(struct lx_progress *progress, const struct lx_pod *pod);

/* Why the Job's controller made no pod, as Events say; NULL while nothing is known. */
const char *lx_progress_refusal(const struct lx_progress *progress);

/* Why its node does not get the pod ready, as Events say; NULL while nothing is known. */
const char *lx_progress_trouble(const struct lx_progress *progress);

/* Tells a failure, line by line, and ends the entry, unless its container has ended it. */
void lx_progress_failure(struct lx_progress *progress, const char *message, int64_t exit_code);

#endif
