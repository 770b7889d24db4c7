/*
 * Why a job did not succeed: the first reason recorded stands.
 */
#ifndef LX_JOB_FAILURE_H
#define LX_JOB_FAILURE_H

#include "lunexec/queue.h"

enum lx_failure_kind {
    LX_FAIL_NONE,
    LX_FAIL_STEP,      /* a container ended with another exit code than 0 */
    LX_FAIL_POLICY,    /* the policy raised an error, was refused by a guardrail, or said no */
    LX_FAIL_INPUT,     /* the payload cannot be run */
    LX_FAIL_FILES,     /* a workspace file could not be fetched */
    LX_FAIL_WORKSPACE, /* the repository could not be cloned, the workspace not be filled */
    LX_FAIL_CLUSTER,   /* the Kubernetes API refused or did not answer */
    LX_FAIL_IMAGE,     /* an image cannot be pulled, a container cannot be configured */
    LX_FAIL_POD,       /* evicted, deleted, out of resources, deadline of the pod */
    LX_FAIL_RUNTIME,   /* EXECUTOR_MAXIMUM_RUNTIME_PER_JOB */
    LX_FAIL_LOGS,      /* a log could not be read, kept or delivered */
    LX_FAIL_CANCELLED, /* the user cancelled */
    LX_FAIL_LOST,      /* the frontend no longer knows the job as ours */
    LX_FAIL_STOPPED,   /* the executor was told to stop at once */
};

struct lx_failure {
    enum lx_failure_kind kind;
    char *message; /* one line or several; not yet masked */
};

/* Records unless a reason is there already. */
void lx_failure_set(struct lx_failure *failure, enum lx_failure_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lx_failure_done(struct lx_failure *failure);

/* The mark a job ends with (contract 4, operations 12e): cancelled and what a retry cannot change
 * are failed, everything else errored. */
enum lx_mark lx_failure_mark(enum lx_failure_kind kind);

/* "step", "policy", ... for log fields. Static. */
const char *lx_failure_name(enum lx_failure_kind kind);

#endif
