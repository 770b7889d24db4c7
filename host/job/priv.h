/*
 * What the files of the job room share: the executor, a running job, its states.
 */
#ifndef LX_JOB_PRIV_H
#define LX_JOB_PRIV_H

#include "job/admission.h"
#include "job/adopt.h"
#include "job/containers.h"
#include "job/decision.h"
#include "job/entries.h"
#include "job/failure.h"
#include "job/grace.h"
#include "job/history.h"
#include "job/journal_writer.h"
#include "job/manifests.h"
#include "job/metrics.h"
#include "job/objects.h"
#include "job/owner.h"
#include "job/progress.h"
#include "job/recent.h"
#include "job/record.h"
#include "job/retry.h"
#include "job/sweep.h"
#include "job/workload.h"
#include "job/workspace.h"
#include "lunexec/backoff.h"
#include "lunexec/executor.h"
#include "lunexec/limiter.h"
#include "lunexec/map.h"
#include "lunexec/mask.h"
#include "lunexec/rand.h"
#include "lunexec/sink.h"
#include "lunexec/tokens.h"
#include "lunexec/watch.h"

/* ---- A running job ---- */

enum lx_state_id {
    LX_STATE_ADOPTING, /* only after a restart */
    LX_STATE_QUEUED,
    LX_STATE_FETCHING,
    LX_STATE_PREPARING, /* shared volume only */
    LX_STATE_PLANNING,
    LX_STATE_PARKED,
    LX_STATE_CREATING,
    LX_STATE_PENDING,
    LX_STATE_RUNNING,
    LX_STATE_DRAINING_LOGS,
    LX_STATE_RETRYING,
    LX_STATE_CLEARING,
    LX_STATE_CLEANING,
    LX_STATE_FLUSHING,
    LX_STATE_REPORTING,
    LX_STATE_GONE,
    LX_STATE_COUNT,
};

enum lx_run_event {
    LX_EVENT_STOP,    /* run->failure says why; get to the end without waiting for the pod */
    LX_EVENT_TIMEOUT, /* the state's own timeout passed */
    LX_EVENT_LOG_END, /* a container's log came to its end */
};

struct lx_run;

/* A state: const, in the table of run.c. A state acts in `enter` and in callbacks that it starts;
 * it leaves only through lx_run_go, to one of its successors. */
struct lx_state {
    const char *name;
    uint64_t timeout_ms; /* 0: none but the job's own deadline */
    void (*enter)(struct lx_run *run);
    void (*on_event)(struct lx_run *run, enum lx_run_event event);
    unsigned successors; /* bits of enum lx_state_id */
};

struct lx_run {
    struct lx_list link; /* in executor->runs */
    struct lx_executor *ex;
    struct lx_job *job;
    const struct lx_state *state;
    enum lx_state_id state_id;
    uint64_t taken_ms;    /* when this process had it first */
    uint64_t heard_ms;    /* when the frontend was asked last that said that it is ours */
    bool unheard;         /* CREATING: that is too long ago, and was said */
    uint64_t started_ms;  /* only for how long ago: it may be before what the clock can say */
    int64_t started_wall; /* ms since 1970, for a later process */

    /* What the journal keeps of the run beyond the rest (record.c). */
    char tag[LX_RUN_TAG_SIZE]; /* on every object (owner.h) */
    bool confirmed;            /* adopted, and since then the frontend has said that it is ours */
    bool adopted;
    bool shared;                 /* over a shared volume: the layout that it was begun in */
    bool prepared;               /* the workspace on the shared volume is complete */
    bool complete;               /* all objects of the pod that runs are made */
    bool seen;                   /* so was the pod */
    bool ending;                 /* the verdict stands, and the logs are kept */
    bool ended_durable;          /* CLEARING: so is why the attempt ended */
    char *ns;                    /* adopted: where its objects are, if not in our namespace */
    char *planned;               /* adopted: the Job's name, while there is no workload */
    json_t *learnt;              /* and what its plan told of its containers; NULL: nothing */
    struct lx_task durable_task; /* what was written to the journal is durable */

    struct lx_task enter_task;
    struct lx_timer *state_timer; /* the state's timeout */
    struct lx_timer *deadline;    /* EXECUTOR_MAXIMUM_RUNTIME_PER_JOB */
    struct lx_timer *wait;        /* a pause inside a state */

    bool hurry;                /* told to stop, or nobody waits for the outcome */
    unsigned attempt;          /* from 1 */
    struct lx_failure ended;   /* why the last attempt ended, until the next one begins */
    json_t *resources;         /* what the policy wants for this attempt; NULL: nothing */
    uint64_t not_before_ms;    /* of the next attempt */
    struct lx_backoff gone;    /* CLEARING: between two looks whether a deleted Job is gone */
    struct lx_failure failure; /* kind NONE: succeeded so far */
    struct lx_mask *mask;
    struct lx_entries *entries;
    struct lx_progress *progress;
    struct lx_workspace *workspace;  /* on the shared volume; NULL in the single-pod layout */
    size_t step;                     /* the step that runs, in the shared-volume layout */
    bool admitted;                   /* the policy has said yes */
    struct lx_workload *workload;    /* of the pod that runs, or is planned */
    json_t *manifest;                /* the plan, checked and completed */
    char *job_uid;                   /* UID of the Job we created last; NULL before */
    char *pod_uid;                   /* UID of its pod; NULL before it was seen */
    struct lx_grace grace;           /* the policy's, for this pod */
    enum lx_failure_kind stuck_kind; /* what the pod waits for in vain; NONE: it does not */
    uint64_t stuck_since_ms;
    uint64_t stuck_seen_ms;       /* when that was looked at last */
    struct lx_list objects;       /* of struct lx_object */
    struct lx_policy *policy;     /* a reference; the one that planned first stays. NULL before */
    struct lx_decision *decision; /* about the Job that is planned; NULL when nothing is asked */
    json_t *admission;            /* what admit() gave; NULL: nothing */
    struct lx_ticket ticket;      /* in the executor's admission */
    struct lx_containers *containers;

    /* The one call underway, cancelled when the state is left. */
    struct lx_queue_call *queue_call;
    struct lx_policy_call *policy_call;
    struct lx_kube_call *kube_call;
    size_t file_index;          /* FETCHING */
    uint64_t conflict_until_ms; /* CREATING: for the leftover to be gone; 0: there is none */
    bool conflict_told;         /* that it is being removed */
    bool conflict_job_gone;     /* no Job is in the way any more */
    uint64_t call_ms;           /* when the operation underway began, for metrics */
    uint64_t clean_until_ms;    /* CLEANING: patience with the API server ends; 0: not set yet */
    struct lx_object *cleaning; /* what is being deleted */
    struct lx_job *next;        /* the same job, given to us anew; NULL: it was not */
    struct lx_entry *teardown;
    int64_t teardown_code;
};

/* Takes over `job`, starts at QUEUED. */
struct lx_run *lx_run_start(struct lx_executor *ex, struct lx_job *job);
/* The same for a job of an earlier process, at ADOPTING; `record` is lx_record_run's. */
struct lx_run *lx_run_restore(struct lx_executor *ex, struct lx_job *job, const json_t *record);
void lx_run_free(struct lx_run *run);

/* Leaves the state for one of its successors; enters it from the deferred queue. */
void lx_run_go(struct lx_run *run, enum lx_state_id next);

/* Records why (the first reason stands) and goes on to clean up. For use inside a state. */
void lx_run_fail(struct lx_run *run, enum lx_failure_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The attempt is over: goes on to ask for another one where the failure may be retried, else to
 * clean up. For use inside a state. */
void lx_run_end(struct lx_run *run);

/* From outside: cancel, lost, deadline, stop. */
void lx_run_stop(struct lx_run *run, enum lx_failure_kind kind, const char *message);

/* How long a run may wait for a peer at its end: `usual_ms`, but not long when the executor is told
 * to stop, or when nobody waits for the outcome. */
uint64_t lx_run_patience(const struct lx_run *run, uint64_t usual_ms);

/* The watch saw the run's pod. */
void lx_run_pod(struct lx_run *run, enum lx_pod_event event, const struct lx_pod *pod);

/* The run's record is still ours to heartbeat. */
bool lx_run_alive(const struct lx_run *run);

/* Entering each state (lx_state.enter): docs/architecture.md says what it does and goes on to. One
 * file a stage. */
void lx_state_adopting(struct lx_run *run);
void lx_state_queued(struct lx_run *run);
void lx_state_fetching(struct lx_run *run);
void lx_state_preparing(struct lx_run *run);
void lx_state_planning(struct lx_run *run);
void lx_state_parked(struct lx_run *run);
void lx_state_creating(struct lx_run *run);
void lx_state_pending(struct lx_run *run);
void lx_state_running(struct lx_run *run);
void lx_state_draining(struct lx_run *run);
void lx_state_retrying(struct lx_run *run);
void lx_state_clearing(struct lx_run *run);
void lx_state_cleaning(struct lx_run *run);
void lx_state_flushing(struct lx_run *run);
void lx_state_reporting(struct lx_run *run);
void lx_state_gone(struct lx_run *run);

/* Events in each state (lx_state.on_event); before_pod: from QUEUED to PARKED, with_pod: PENDING
 * and RUNNING. */
void lx_event_adopting(struct lx_run *run, enum lx_run_event event);
void lx_event_before_pod(struct lx_run *run, enum lx_run_event event);
void lx_event_creating(struct lx_run *run, enum lx_run_event event);
void lx_event_with_pod(struct lx_run *run, enum lx_run_event event);
void lx_event_draining(struct lx_run *run, enum lx_run_event event);
void lx_event_retrying(struct lx_run *run, enum lx_run_event event);
void lx_event_clearing(struct lx_run *run, enum lx_run_event event);
void lx_event_flushing(struct lx_run *run, enum lx_run_event event);
void lx_event_cleaning(struct lx_run *run, enum lx_run_event event);
void lx_event_reporting(struct lx_run *run, enum lx_run_event event);
void lx_event_gone(struct lx_run *run, enum lx_run_event event);

/* The logs of a pod are complete: goes on to the next step, or to the end. */
void lx_run_step_done(struct lx_run *run);
/* Frees what belongs to one pod; its objects stay in the list of what is to be removed. */
void lx_run_forget_step(struct lx_run *run);
/* The entry with that key, opened unless it was. */
struct lx_entry *lx_run_teardown(struct lx_run *run, const char *key);
/* Whether another executor has the workspace, since it was given the job though nobody has told us;
 * then the run is lost. */
bool lx_run_displaced(struct lx_run *run);
/* Opens teardown.fs, removes the workspace if there is one, and goes on to FLUSHING. */
void lx_run_end_workspace(struct lx_run *run);
/* Gives up its removal. */
void lx_run_leave_workspace(struct lx_run *run);

/* CREATING: an object of that name is there already. */
void lx_run_conflict(struct lx_run *run);
/* What is found out about that is forgotten: another object is to be made. */
void lx_run_conflict_over(struct lx_run *run);
/* CREATING: the object exists, as `answer` has it (NULL: it is done without); goes on. */
void lx_run_created(struct lx_run *run, struct lx_object *object, const json_t *answer);

/* Judges the pod record and goes on when it has ended. */
void lx_run_judge(struct lx_run *run, const struct lx_pod *pod, bool deleted);

/* What the run's pod waits for that may never come, with what Events say of it. */
struct lx_stuck lx_run_stuck(const struct lx_run *run);
/* Where its objects are. */
const char *lx_run_ns(const struct lx_run *run);
/* The record of its pod; NULL while there is none. */
const struct lx_pod *lx_run_find_pod(const struct lx_run *run);
/* What was written of the run to the journal is durable: goes on. */
void lx_run_durable(struct lx_run *run);
/* Removes the next object of the last attempt, or begins the next one. */
void lx_clear(struct lx_run *run);

/* Milliseconds since 1970. */
int64_t lx_wall_ms(void);

/* What the run's manifests are made from. */
struct lx_manifests lx_run_manifests(const struct lx_run *run);

/* ---- The executor ---- */

struct lx_executor {
    struct lx_executor_opts opts;
    struct lx_rand rand;
    struct lx_watch *watch;
    struct lx_sweep *sweep;
    struct lx_list left;               /* of struct lx_left */
    char *frontend;                    /* URL without credentials and path */
    bool pods_known;                   /* the watch has listed them since it was resumed */
    struct lx_journal_writer *journal; /* NULL: nothing is kept */
    struct lx_job_metrics *metrics;
    struct lx_list runs;
    struct lx_policy *policies[LX_POLICY_ROLES]; /* references */
    struct lx_history *history;
    struct lx_recent *recent;
    struct lx_list decisions; /* of struct lx_decision: comparisons underway */
    size_t n_decisions;
    struct lx_map *by_job_name;    /* Kubernetes Job name -> struct lx_run */
    struct lx_limiter limiter;     /* of jobs that are ours */
    struct lx_admission admission; /* of those, which may run */
    struct lx_spool_budget spool;  /* of the logs of all jobs */
    struct lx_tokens *tokens;      /* NULL: none are masked */
    bool events_denied;            /* our role may not list events */

    /* intake */
    struct lx_timer *poll_timer, *active_timer;
    struct lx_queue_call *dequeue;
    int64_t dequeued;
    unsigned dequeue_failures;
    bool draining, idle_told;
    struct lx_task idle_task;
    struct lx_timer *handover_timer; /* NULL: none underway */
    uint64_t handover_until_ms;

    /* heartbeat */
    struct lx_timer *beat_timer;
    struct lx_queue_call *beat;
    char **beat_uids; /* what the beat in flight claimed */
    uint64_t beat_ms; /* when */
};

/* intake.c: asks for a job when there is a slot and none is being asked for. */
void lx_intake_poll(struct lx_executor *ex);
/* There may be room for one more: asks for a job unless that waits for its interval anyway. */
void lx_intake_resume(struct lx_executor *ex);
/* Gives up a dequeue that is underway: unheartbeated, its job goes to somebody else. */
void lx_intake_abandon(struct lx_executor *ex);
/* A run reached its end and was freed. */
void lx_intake_done(struct lx_executor *ex);
/* So did one whose job was given to us anew, which takes over its slot. Takes over `job`. */
void lx_intake_next(struct lx_executor *ex, struct lx_job *job);

/* heartbeat.c: begins to beat, at once when adopted jobs wait to be confirmed. Once. */
void lx_heartbeat_start(struct lx_executor *ex);
/* No beat any more; one that is underway is cancelled. Harmless when it does not run. */
void lx_heartbeat_stop(struct lx_executor *ex);

#endif
