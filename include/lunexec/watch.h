/*
 * One shared list+watch of pods by label selector, with a cache of small records.
 * Resumes from its resourceVersion; bookmarks advance it; 410 and broken connections relist and
 * report the differences. Nobody sees a gap; nothing depends on a connection staying open.
 */
#ifndef LUNEXEC_WATCH_H
#define LUNEXEC_WATCH_H

#include "lunexec/kube.h"

enum lx_container_state { LX_CONTAINER_WAITING, LX_CONTAINER_RUNNING, LX_CONTAINER_TERMINATED };

/* What we keep of a container status. Strings are never NULL ("" when absent). */
struct lx_container {
    char *name;
    bool init;
    enum lx_container_state state;
    char *reason, *message; /* of waiting or terminated */
    int64_t exit_code;      /* terminated only */
    int64_t restart_count;
    char *container_id;
    char *started_at, *finished_at; /* RFC 3339, "" when absent */
};

/* What we keep of a pod. */
struct lx_pod {
    char *name, *uid, *node;
    char *job_name;                  /* label batch.kubernetes.io/job-name, else job-name */
    char *owner_uid;                 /* of the controlling owner reference: the Job's UID */
    char *phase;                     /* Pending, Running, Succeeded, Failed, Unknown */
    char *reason, *message;          /* status.reason, status.message */
    bool deleting;                   /* has a deletionTimestamp */
    char *unscheduled;               /* message of PodScheduled=False, "" otherwise */
    bool unready;                    /* PodReadyToStartContainers=False: volumes, network */
    char *disruption;                /* reason: message of DisruptionTarget=True, "" otherwise */
    struct lx_container *containers; /* init containers first, in spec order of their statuses */
    size_t n_containers;
};

enum lx_pod_event { LX_POD_CHANGED, LX_POD_DELETED };

struct lx_watch;

/* Zero values mean the default in brackets. */
struct lx_watch_opts {
    const char *ns;
    const char *selector; /* label selector, plain text */
    /* From the loop, never inside curl. `pod` is valid during the callback; for DELETED it is the
     * last known record. */
    void (*on_pod)(void *arg, enum lx_pod_event event, const struct lx_pod *pod);
    /* The first list succeeded (true), or list and watch have failed for 5 s or are forbidden
     * (false, with the reason, and the permission that is needed); told when it changes, and anew
     * after each resume: for logs and metrics. May be NULL. */
    void (*on_health)(void *arg, bool healthy, const struct lx_err *err);
    void *arg;
    unsigned min_watch_s, max_watch_s; /* server-side timeoutSeconds, random between [240, 300] */
    uint64_t idle_ms; /* a stream that is silent for so long is begun anew [30000] */
};

/* Makes a paused watch; strings are copied. Sends nothing yet. `kube` and `log` (may be NULL)
 * outlive it; the caller frees it. LX_E_LIMIT: the selector is too long. */
int lx_watch_new(struct lx_kube *kube, const struct lx_watch_opts *opts, struct lx_log *log,
                 struct lx_watch **ret_watch, struct lx_err *err);
/* Drops connection and cache, so that a watch costs nothing while no job runs. No callback is
 * called until it is resumed. Allowed in the callbacks; harmless when paused. */
void lx_watch_pause(struct lx_watch *watch);
/* Lists anew and goes on from there; on_pod is told of each pod. Allowed in the callbacks; harmless
 * when it runs. */
void lx_watch_resume(struct lx_watch *watch);
/* No callback is called any more. Not from within a callback. NULL is accepted. */
void lx_watch_free(struct lx_watch *watch);

/* Whether what lx_watch_find tells is up to date: listed once, and watched since without trouble.
 */
bool lx_watch_current(const struct lx_watch *watch);

/* The current record of the pod of a Job (newest by creation if several), NULL if none. Borrowed
 * until control returns to the loop. */
const struct lx_pod *lx_watch_find(struct lx_watch *watch, const char *job_name);
/* The same of the pod with this UID. */
const struct lx_pod *lx_watch_find_uid(struct lx_watch *watch, const char *uid);

#endif
