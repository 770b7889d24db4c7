/*
 * Why a job did not succeed: one classification for logs, metrics, messages and the policy's
 * retry(). The first reason recorded stands.
 */
#ifndef LX_JOB_FAILURE_H
#define LX_JOB_FAILURE_H

#include "lunexec/queue.h"

/* docs/failures.md has a row for each, in this order; scripts see the names (failure.class). */
enum lx_failure_kind {
    LX_FAIL_NONE,
    LX_FAIL_EXIT_CODE,     /* a container ended with another exit code than 0 by its own doing */
    LX_FAIL_OUT_OF_MEMORY, /* killed for exceeding its memory limit */
    LX_FAIL_EVICTED,       /* the kubelet or the eviction API stopped the pod */
    LX_FAIL_PREEMPTED,     /* a pod of higher priority took its place */
    LX_FAIL_NODE_LOST,     /* the node went away, shut down, or its kubelet fell silent */
    LX_FAIL_NODE_REFUSED,  /* the pod was assigned to a node that would not run it */
    LX_FAIL_POD_DELETED,   /* somebody deleted the pod */
    LX_FAIL_UNSCHEDULABLE, /* no node takes the pod */
    LX_FAIL_NO_POD,        /* the cluster made no pod for the Job */
    LX_FAIL_POD_SETUP,     /* its node does not get the pod's volumes or network ready */
    LX_FAIL_IMAGE_NAME,    /* no image can have that name */
    LX_FAIL_IMAGE_NOT_FOUND,
    LX_FAIL_IMAGE_UNAUTHORIZED,
    LX_FAIL_IMAGE_PULL,       /* any other trouble with an image */
    LX_FAIL_CONTAINER_CREATE, /* the container cannot be configured, created or started */
    LX_FAIL_ADMISSION,        /* the API server refused an object as it is */
    LX_FAIL_QUOTA,
    LX_FAIL_FORBIDDEN, /* our account may not do it */
    LX_FAIL_API,       /* the Kubernetes API did not answer, or only with errors of its own */
    LX_FAIL_DEADLINE,  /* KUBERNETES_JOB_DEADLINE or EXECUTOR_MAXIMUM_RUNTIME_PER_JOB */
    LX_FAIL_POLICY,    /* the policy raised an error, was refused by a guardrail, or said no */
    LX_FAIL_INPUT,     /* the payload cannot be run */
    LX_FAIL_FILES,     /* a workspace file could not be fetched */
    LX_FAIL_WORKSPACE, /* the repository could not be cloned, the workspace not be filled */
    LX_FAIL_LOGS,      /* a log could not be read, kept or delivered */
    LX_FAIL_CANCELLED, /* the user cancelled */
    LX_FAIL_LOST,      /* the frontend no longer knows the job as ours */
    LX_FAIL_STOPPED,   /* the executor was told to stop at once */
    LX_FAIL_INTERNAL,  /* a mistake of ours */
    LX_FAIL_COUNT,
};

struct lx_failure {
    enum lx_failure_kind kind;
    char *message;     /* one line or several; not yet masked */
    char *reason;      /* in Kubernetes' own word, such as "Evicted"; NULL: it has none */
    char *step;        /* key of the step or container; NULL: the job as a whole */
    char *limit;       /* the memory limit that was exceeded, a quantity; NULL */
    int64_t exit_code; /* -1: none was observed */
};

/* Records unless a reason is there already; returns whether it did. What the operator can do
 * (lx_failure_advice) is added to the message. */
bool lx_failure_set(struct lx_failure *failure, enum lx_failure_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets it with the message as it is: what an earlier process had recorded, or what says itself what
 * the operator can do. */
void lx_failure_restore(struct lx_failure *failure, enum lx_failure_kind kind, const char *message);
void lx_failure_done(struct lx_failure *failure);

/* The mark a job ends with (contract 4, operations 12e): cancelled and what a retry cannot change
 * are failed, everything else errored. */
enum lx_mark lx_failure_mark(enum lx_failure_kind kind);

/* "exit-code", "out-of-memory", ...: the class in logs, metrics and scripts. Static. */
const char *lx_failure_name(enum lx_failure_kind kind);
/* The class of that name; LX_FAIL_COUNT when there is none. */
enum lx_failure_kind lx_failure_named(const char *name);

/* What an operator can do about it, in half a sentence; "" when it is not theirs. Static. */
const char *lx_failure_advice(enum lx_failure_kind kind);

/* Whether the policy's retry() is asked: failures of the cluster, and those that another attempt
 * with other resources may not have. Never what a job did itself, and never the end of its time. */
bool lx_failure_retryable(enum lx_failure_kind kind);

/* The class of an answer of the Kubernetes API that is no success: `status` is the HTTP status (0
 * without an answer), `text` the message. */
enum lx_failure_kind lx_failure_of_answer(long status, const char *text);

#endif
