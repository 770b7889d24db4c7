/*
 * The containers of a run as they are observed: each that has started gets a log entry and a log
 * follower; each that has terminated gets its exit code once its log is complete.
 */
#ifndef LX_JOB_CONTAINERS_H
#define LX_JOB_CONTAINERS_H

#include "job/entries.h"
#include "job/metrics.h"
#include "job/verdict.h"
#include "job/workload.h"
#include "lunexec/watch.h"

struct lx_containers;

struct lx_containers_opts {
    const struct lx_executor_opts *executor;
    const struct lx_workload *workload;
    struct lx_entries *entries;
    struct lx_job_metrics *metrics; /* gets the gaps of logs */
    /* Deferred: a log came to its end, or failed with err. */
    void (*on_log_end)(void *arg, const struct lx_err *err);
    void *arg;
};

/* Follows nothing yet. `opts` is copied, what it points to is borrowed; the caller frees it. */
struct lx_containers *lx_containers_new(const struct lx_containers_opts *opts);
/* Stops following; entries stay as they are. */
void lx_containers_free(struct lx_containers *containers);

/* Opens entries, in order, for containers that have started, and ends logs of those that have
 * terminated. */
void lx_containers_update(struct lx_containers *containers, const struct lx_pod *pod);

/* The pod has ended or is gone: what still is followed will get no further status. */
void lx_containers_ended(struct lx_containers *containers);

/* What became of the logs, one for each container of the workload. Borrowed. */
const enum lx_log_state *lx_containers_logs(const struct lx_containers *containers);

/* The exit code of the container with that log key; -1: none was observed. */
int64_t lx_containers_exit_code(const struct lx_containers *containers, const char *key);

/* No log is being followed any more. */
bool lx_containers_idle(const struct lx_containers *containers);

/* Some log is still being read, and what is being read is of containers that have terminated: it
 * comes to its end. */
bool lx_containers_ending(const struct lx_containers *containers);

/* Whether any log has brought something since the last call. */
bool lx_containers_moved(struct lx_containers *containers);

/* Stops following and finishes the open entries with what is known of their exit codes. A log that
 * was being followed gets `why` as its last line. */
void lx_containers_stop(struct lx_containers *containers, const char *why);

#endif
