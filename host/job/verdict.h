/*
 * Whether a job succeeded, decided from what was observed of its pod and from nothing else.
 */
#ifndef LX_JOB_VERDICT_H
#define LX_JOB_VERDICT_H

#include "job/failure.h"
#include "job/workload.h"
#include "lunexec/watch.h"

enum lx_verdict {
    LX_VERDICT_OPEN,      /* the pod may still do something */
    LX_VERDICT_SUCCEEDED, /* every container of the workload was seen terminated with exit code 0 */
    LX_VERDICT_FAILED,    /* *failure says why */
};

/* Judges a pod record (rule 1 of docs/architecture.md). `deleted`: the API server reported the pod
 * gone; such a pod never succeeds unless its last record already showed success. */
enum lx_verdict lx_verdict_of(const struct lx_workload *workload, const struct lx_pod *pod,
                              bool deleted, struct lx_failure *failure);

/* A container that waits for something that will not come by itself: how long to let it wait
 * before the job fails. UINT64_MAX when it may wait as long as it likes. */
uint64_t lx_waiting_grace_ms(const struct lx_container *container);

/* The first waiting container of the pod with a grace below UINT64_MAX; NULL if none. */
const struct lx_container *lx_stuck_container(const struct lx_pod *pod);

#endif
