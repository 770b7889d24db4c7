/*
 * Whether a job succeeded, decided from what was observed and from nothing else; and whether its
 * pod waits for something that will not come.
 */
#ifndef LX_JOB_VERDICT_H
#define LX_JOB_VERDICT_H

#include "job/failure.h"
#include "job/workload.h"
#include "lunexec/watch.h"

/* What became of a container's log. */
enum lx_log_state {
    LX_LOG_UNREAD, /* not to its end yet */
    LX_LOG_READ,   /* every byte of it */
    LX_LOG_BROKEN, /* it could not be read */
};

/* What is known of a job's pod when it is judged. */
struct lx_evidence {
    const struct lx_workload *workload;
    const char *job_uid;      /* of the Job that we created */
    const char *pod_uid;      /* of its pod, once seen; NULL before */
    const struct lx_pod *pod; /* NULL: none was seen */
    bool deleted; /* the API server reported the pod gone, or a list no longer brought it: `pod` is
                     then the last that was seen, and its end was perhaps not */
    const enum lx_log_state *logs; /* one for each container of the workload */
};

enum lx_verdict {
    LX_VERDICT_FOREIGN,   /* not our pod: says nothing */
    LX_VERDICT_OPEN,      /* the pod may still do something */
    LX_VERDICT_ENDED,     /* every container ended well; not all logs are read */
    LX_VERDICT_SUCCEEDED, /* the same, and all logs are read to their end */
    LX_VERDICT_FAILED,    /* *failure says why */
};

/* Whether it is the pod of the Job `job_uid`: before one was seen (pod_uid NULL) the Job's first,
 * then that one and no other, though somebody may have deleted the Job and left the pod. */
bool lx_verdict_is_ours(const struct lx_pod *pod, const char *job_uid, const char *pod_uid);

/* Rule 1 of docs/architecture.md. A job succeeded only if every container of its workload was seen
 * terminated with exit code 0 in the pod with our UID, and every log was read to its end; the phase
 * proves nothing, and containers that others put into the pod decide nothing. Whether the logs
 * were delivered too is decided when they are (FLUSHING). */
enum lx_verdict lx_verdict_of(const struct lx_evidence *evidence, struct lx_failure *failure);

/* The part of it that is about logs: SUCCEEDED, ENDED or FAILED. */
enum lx_verdict lx_verdict_of_logs(const struct lx_workload *workload,
                                   const enum lx_log_state *logs, struct lx_failure *failure);

/* Where a pod is: the first container that runs or failed, "step step.0.run" or "setup.workspace";
 * NULL before the first one began, and after the last one succeeded. free(). */
char *lx_verdict_place(const struct lx_workload *workload, const struct lx_pod *pod);

/* What a pod waits for that may never come. */
struct lx_stuck {
    enum lx_failure_kind kind;          /* LX_FAIL_NONE: it does not wait in vain */
    bool hopeless;                      /* nothing but a change from outside can help */
    const struct lx_container *blocked; /* NULL: the pod as a whole */
    const char *reason, *message;       /* of the pod record or static; "" when there is none */
};
/* What `pod` (NULL: there is none yet) waits for so. What the result points to is the pod's. */
struct lx_stuck lx_stuck_of(const struct lx_pod *pod);

/* Records that a container was killed for its memory. */
void lx_fail_memory(const struct lx_workload *workload, const struct lx_container *c,
                    struct lx_failure *failure);

/* How long a pod may wait so, unless the policy says otherwise; UINT64_MAX: as long as the job's
 * own time lasts. */
uint64_t lx_stuck_grace_ms(const struct lx_stuck *stuck);

/* Records it as the failure of a job that has waited long enough. */
void lx_stuck_fail(const struct lx_stuck *stuck, const struct lx_workload *workload,
                   struct lx_failure *failure);

#endif
