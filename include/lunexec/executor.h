/*
 * The executor: takes jobs from the queue and brings each through its states until its record is
 * marked. Everything happens on the loop.
 */
#ifndef LUNEXEC_EXECUTOR_H
#define LUNEXEC_EXECUTOR_H

#include "lunexec/journal.h"
#include "lunexec/kube.h"
#include "lunexec/log.h"
#include "lunexec/loop.h"
#include "lunexec/metrics.h"
#include "lunexec/plan.h"
#include "lunexec/policy.h"
#include "lunexec/queue.h"

/* What the operator decided; strings and values are borrowed for the executor's life. */
struct lx_executor_opts {
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_queue *queue;
    struct lx_kube *kube;
    struct lx_policy *policy; /* the active one at first */
    struct lx_metrics *metrics;
    struct lx_http *http; /* for git in the shared-volume layout */

    const char *executor_name;
    const char *frontend_url, *password;
    const char *queue_name;    /* NULL in multi-queue mode */
    const char *queue_label;   /* label value of the metrics: names joined by "_" */
    const char *ns;            /* EXECUTOR_KUBERNETES_NAMESPACE */
    const char *step_image;    /* KUBERNETES_JOB_STEP_IMAGE */
    const char *git_ca_cert;   /* KUBERNETES_GIT_CA_CERT, NULL when unset */
    bool shared_volume;        /* the layout: one Job a step over a volume we share with it */
    const char *claim_name;    /* EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME; then also: */
    const char *workspace_dir; /* where that claim is mounted here: "/data" */
    bool keep_workspaces;      /* EXECUTOR_KEEP_WORKSPACES */
    char *const *environment;  /* ours, NAME=value; git gets a few of it */
    const char *volume_type;   /* "emptyDir" or "pvc" */
    const char *volume_size;
    const char *storage_class;     /* of claims made for a job; NULL: the cluster's default */
    int64_t job_deadline_s;        /* KUBERNETES_JOB_DEADLINE */
    bool keep_jobs;                /* KUBERNETES_KEEP_JOBS; then nothing is swept either */
    int64_t sweep_interval_ms;     /* LUNEXEC_SWEEP_INTERVAL; 0: nothing is swept */
    const json_t *policy_settings; /* what the policy gets as `settings` */
    const struct lx_guardrails *guardrails; /* LUNEXEC_GUARDRAILS */
    const char *spool_dir;
    struct lx_journal *journal; /* what survives a restart; NULL: nothing does */

    int64_t poll_interval_ms;
    int64_t max_jobs;                 /* EXECUTOR_MAXIMUM_NUM_JOBS */
    const char *max_cpu, *max_memory; /* of what admit() says that jobs count for; NULL: no limit */
    int64_t max_runtime_ms;           /* EXECUTOR_MAXIMUM_RUNTIME_PER_JOB */
    int64_t num_total_jobs;           /* 0: no limit */
    int64_t max_active_ms;            /* 0: no limit */
    int64_t log_update_interval_ms;
    int64_t log_limit_step;    /* bytes; 0: no limit */
    int64_t log_limit_job;     /* bytes; 0: no limit */
    int64_t spool_limit;       /* bytes of all log files together; 0: no limit */
    const char *mask_patterns; /* lunexec/tokens.h; NULL: none */

    /* Nothing runs any more and nothing will be dequeued: after a drain, a stop, or a limit above.
     * Deferred, once. */
    void (*on_idle)(void *arg);
    void *arg;
};

struct lx_executor;

/* The policies that an executor asks. */
enum lx_policy_role {
    LX_POLICY_ACTIVE,  /* decides */
    LX_POLICY_DEFAULT, /* the decision line in the log says what the active one changes from it */
    LX_POLICY_SHADOW,  /* is asked the same, its answers are compared and never applied */
    LX_POLICY_ROLES,
};

/* Makes the executor; nothing is sent yet. `opts` is copied, what it points to is borrowed, but for
 * the policy, in which it takes a reference. LX_E_INVALID: max_cpu, max_memory or mask_patterns.
 * The caller frees it. */
int lx_executor_new(const struct lx_executor_opts *opts, struct lx_executor **ret_executor,
                    struct lx_err *err);
/* Cancels everything without cleaning the cluster up; for the end of the process. */
void lx_executor_free(struct lx_executor *executor);

/* Takes up the jobs in the journal, and starts polling and heartbeats. Once. The frontend must know
 * the executor's name already (ping). */
void lx_executor_start(struct lx_executor *executor);

/* No further dequeue; running jobs finish; heartbeats go on until the last has. Then on_idle. */
void lx_executor_drain(struct lx_executor *executor);

/* Drain, and end the running jobs: their objects are deleted, each wait for a peer has seconds
 * left, and their records stay unmarked, so that the server gives them to another executor. Then
 * on_idle. */
void lx_executor_stop(struct lx_executor *executor);

/* Uses a policy from now on, in which it takes a reference of its own; a job that was planned keeps
 * the one that planned it. NULL: none, but for the active one. */
void lx_executor_use_policy(struct lx_executor *executor, enum lx_policy_role role,
                            struct lx_policy *policy);

/* The tasks that were planned last, newest first, for lx_trial_start. The caller owns the array. */
json_t *lx_executor_recent(const struct lx_executor *executor);

/* With a journal: no further dequeue, and on_idle as soon as nothing is in the middle of something,
 * within seconds. Running jobs and their objects are left as they are, for the next process with
 * the same journal; lx_executor_free is to follow. */
void lx_executor_hand_over(struct lx_executor *executor);

/* How many jobs run now. */
size_t lx_executor_running(const struct lx_executor *executor);

#endif
