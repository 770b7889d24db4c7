/*
 * The stand-in for a Kubernetes API server with a job controller and a kubelet in one, whose
 * containers are bubblewrap sandboxes. Private to host/local.
 */
#ifndef LUNEXEC_LOCAL_CLUSTER_H
#define LUNEXEC_LOCAL_CLUSTER_H

#include "lunexec/map.h"
#include "serve.h"

#include <time.h>

enum lx_kind_id { LX_KIND_SECRET, LX_KIND_PVC, LX_KIND_POD, LX_KIND_EVENT, LX_KIND_JOB, LX_KINDS };

struct lx_kind {
    const char *plural, *kind, *api_version, *group; /* group "" for the core */
};
extern const struct lx_kind lx_local_kinds[LX_KINDS];

struct lx_pod_run;

/* A stored object. `json` carries kind, apiVersion and metadata as the API shows them. */
struct lx_obj {
    struct lx_list link;
    enum lx_kind_id kind;
    char *ns, *name, *uid;
    json_t *json;
    struct lx_pod_run *run; /* pods: the kubelet's side; NULL otherwise */
};

/* One change, kept for watches that resume. */
struct lx_change {
    uint64_t rv;
    enum lx_kind_id kind;
    const char *type; /* ADDED, MODIFIED, DELETED */
    char *ns, *name;
    json_t *labels;
    char *text; /* the complete watch event, with its newline */
};

/* What tests switch by POST /_control/set; times in milliseconds, 0 is off. */
struct lx_knobs {
    uint64_t watch_cut_ms;      /* every watch ends after this time */
    bool watch_gone;            /* the next watch with a resourceVersion is answered 410 */
    uint64_t bookmark_ms;       /* between bookmarks */
    uint64_t log_cut_ms;        /* every log stream ends after this time */
    uint64_t log_cut_bytes;     /* every log stream ends after this many bytes, inside a line too */
    uint64_t schedule_delay_ms; /* before a pod is given a node */
    uint64_t pull_delay_ms;     /* before a container starts */
    char *pull_fail;            /* images containing this text cannot be pulled */
};

#define LX_HISTORY 2048

struct lx_cluster {
    struct lx_loop *loop;
    struct lx_serve *serve;
    char *token; /* bearer token; NULL: none is asked for */
    char *root;  /* directory for volumes and logs */
    char *tools; /* directory with batcheshelper, put on the containers' PATH */
    char *bwrap;
    bool keep; /* volumes and logs stay after their pods */
    bool rbac; /* only what existing installs grant (operations 2a) */
    struct lx_knobs knobs;

    struct lx_map *by_key; /* "plural/ns/name" */
    struct lx_list objects;
    uint64_t rv;
    struct lx_change *history; /* ring of LX_HISTORY */
    size_t n_history, oldest;
    struct lx_list watchers;
    struct lx_list timers; /* cluster_jobs.c: things to do later */
};

/* ---- cluster_store.c ---- */

/* Nothing is stored yet. */
void lx_store_init(struct lx_cluster *c);
void lx_store_done(struct lx_cluster *c);
/* The object of that name; NULL if there is none. Borrowed from the store, as all of them are. */
struct lx_obj *lx_store_find(struct lx_cluster *c, enum lx_kind_id kind, const char *ns,
                             const char *name);
/* Takes over `json`; gives it uid, resourceVersion, creationTimestamp; tells watchers. */
struct lx_obj *lx_store_add(struct lx_cluster *c, enum lx_kind_id kind, const char *ns,
                            json_t *json);
/* After a change of obj->json: gives it a new resourceVersion and tells watchers. */
void lx_store_changed(struct lx_cluster *c, struct lx_obj *obj);
/* Takes it out, tells watchers and frees it; what it owns follows (lx_jobctl_collect). */
void lx_store_remove(struct lx_cluster *c, struct lx_obj *obj);
/* The object's metadata, borrowed. */
json_t *lx_meta(const struct lx_obj *obj);
/* metadata as a new object is given: for lx_store_add and dry runs. */
void lx_store_stamp(json_t *json, const char *ns);
/* A time as metav1.Time has it, whole seconds. The caller owns it. */
json_t *lx_time_json(struct timespec when);

/* ---- cluster_selector.c ---- */

struct lx_selector;
/* "a=b,c!=d,e,!f"; NULL or "" selects all. LX_E_INVALID. The caller frees *ret_selector. */
int lx_selector_parse(const char *text, struct lx_selector **ret_selector, struct lx_err *err);
/* Whether an object with these labels (NULL: none) is selected; by a NULL selector each is. */
bool lx_selector_match(const struct lx_selector *selector, const json_t *labels);
void lx_selector_free(struct lx_selector *selector);

/* ---- cluster_status.c ---- */

/* Answers with a Status object; `name` NULL: it is about no object. */
void lx_status_reply(struct lx_cluster *c, struct lx_httpd_req *req, unsigned code,
                     const char *reason, const char *message, enum lx_kind_id kind,
                     const char *name);
/* The Status object of a 410 for a resourceVersion that is too old. The caller owns it. */
json_t *lx_status_gone(uint64_t rv, uint64_t oldest);
/* "jobs.batch \"x\"" and the like; free(). */
char *lx_status_subject(enum lx_kind_id kind, const char *name);

/* ---- cluster_watch.c ---- */

/* Answers a watch: with what there is, or what has changed since its resourceVersion, and then with
 * each change until the client goes. */
void lx_feed_serve(struct lx_cluster *c, struct lx_httpd_req *req, enum lx_kind_id kind,
                   const char *ns);
/* Sends a change to the watches that want it. */
void lx_feed_tell(struct lx_cluster *c, const struct lx_change *change);
/* Ends all watches; for the end of the process. */
void lx_feed_stop(struct lx_cluster *c);

/* ---- cluster_api.c and cluster_check.c ---- */

/* Answers any request to the API server. */
void lx_cluster_request(struct lx_cluster *c, struct lx_httpd_req *req);
/* What a real API server would refuse with 422: names, required fields, references. LX_E_INVALID.
 */
int lx_cluster_check(enum lx_kind_id kind, const json_t *json, struct lx_err *err);

/* ---- cluster_jobs.c: job controller and garbage collector ---- */

/* A Job was added: it gets selector and labels, and its pod a moment later. */
void lx_jobctl_added(struct lx_cluster *c, struct lx_obj *job);
/* A pod has ended: its Job, if it has one, is complete or failed, and expires after its TTL. */
void lx_jobctl_pod_ended(struct lx_cluster *c, struct lx_obj *pod);
/* Deletes an object as the API promises; `propagation` Background, Foreground or Orphan. */
void lx_jobctl_delete(struct lx_cluster *c, struct lx_obj *obj, const char *propagation);
/* Something that others may own is gone: its dependents follow. */
void lx_jobctl_collect(struct lx_cluster *c, const char *owner_uid);
/* Calls fn(c, key) later, once, unless the cluster ends before; `key` is copied. */
void lx_later(struct lx_cluster *c, uint64_t delay_ms, void (*fn)(struct lx_cluster *, char *key),
              const char *key);
/* Nothing of it is called any more. */
void lx_later_stop(struct lx_cluster *c);

/* ---- the kubelet ---- */

enum lx_ctr_state { LX_CTR_WAITING, LX_CTR_RUNNING, LX_CTR_TERMINATED };
struct lx_ctr_log;

struct lx_ctr {
    struct lx_pod_run *run;
    const json_t *spec; /* borrowed from the pod */
    const char *name;
    bool init;
    enum lx_ctr_state state;
    char *reason, *message; /* of waiting or terminated */
    struct timespec started, finished;
    int64_t exit_code;
    char id[80];
    struct lx_child *child;
    struct lx_ctr_log *log;
};

enum lx_phase { LX_PHASE_PENDING, LX_PHASE_RUNNING, LX_PHASE_SUCCEEDED, LX_PHASE_FAILED };

struct lx_pod_run {
    struct lx_cluster *c;
    struct lx_obj *pod;
    struct lx_ctr *ctrs; /* init containers first */
    size_t n_ctrs, n_init;
    enum lx_phase phase;
    bool scheduled, initialized, deleting;
    char *unscheduled;      /* why there is no node */
    char *reason, *message; /* of the pod's status */
    struct timespec started, scheduled_at;
    struct lx_timer *step, *deadline;
    char *dir; /* volumes and logs of this pod */
};

/* Runs a pod that was just added: sets pod->run, which the pod owns. */
void lx_kubelet_start(struct lx_cluster *c, struct lx_obj *pod);
/* Kills what runs, then removes the pod from the store. */
void lx_kubelet_delete(struct lx_obj *pod);
/* Kills what runs; volumes and logs go, unless they are kept. */
void lx_kubelet_free(struct lx_pod_run *run);

/* cluster_podstatus.c: the status as JSON, new reference. */
json_t *lx_kubelet_status(const struct lx_pod_run *run);

/* cluster_env.c: "NAME=value" strings for the container; LX_E_NOT_FOUND when a Secret or a key of
 * one is missing. */
int lx_ctr_env(const struct lx_ctr *ctr, json_t **ret_env, struct lx_err *err);
/* `text` with $(NAME) and $$ as the kubelet expands them; `env` as above. The caller owns it. */
json_t *lx_ctr_expand(const char *text, const json_t *env);

/* cluster_volume.c: the host directory of a volume, made if need be; LX_E_NOT_FOUND when it cannot
 * be set up. free(). */
int lx_kubelet_volume_dir(struct lx_pod_run *run, const char *volume, char **ret_dir,
                          struct lx_err *err);
/* NULL, or the name of a claim of the pod that does not exist. Borrowed from the pod. */
const char *lx_kubelet_volume_missing_claim(const struct lx_pod_run *run);

/* cluster_sandbox.c: starts the container's process; lx_kubelet_exited follows. LX_E_NOT_FOUND for
 * a Secret, a key or a volume that is missing; else as lx_child_spawn. */
int lx_ctr_start(struct lx_ctr *ctr, struct lx_err *err);
/* Runs one sandbox; says in one line what is missing if that does not work. */
int lx_ctr_probe(struct lx_cluster *c, struct lx_err *err);
/* cluster_orphans.c: from now on processes whose parent in a sandbox died become ours. LX_E_IO. */
int lx_orphans_adopt(struct lx_err *err);
/* Kills every child of this process, and what becomes one by that, and waits for their ends, for at
 * most five seconds (one may hang in the kernel). Only once no loop waits for any. */
void lx_orphans_kill(void);
/* The container's process has ended, with an exit status or by a signal (0: none). The pod may be
 * gone afterwards, and the container with it. */
void lx_kubelet_exited(struct lx_ctr *ctr, int64_t status, int signum);
/* Gives the container a new id and returns it. */
const char *lx_ctr_id(struct lx_ctr *ctr);

/* ---- cluster_logs.c ---- */

/* An empty log in a file at `path`; the caller frees it. LX_E_IO. */
int lx_ctr_log_new(struct lx_cluster *c, const char *path, struct lx_ctr_log **ret_log,
                   struct lx_err *err);
/* Ends what reads it; the file stays. */
void lx_ctr_log_free(struct lx_ctr_log *log);
/* Bytes of one stream (0: stdout, 1: stderr). */
void lx_ctr_log_write(struct lx_ctr_log *log, int stream, const char *data, size_t len);
/* Nothing more is written: a last line without LF is kept, and what follows the log ends. */
void lx_ctr_log_close(struct lx_ctr_log *log);
/* Answers .../log for a container that has a log. */
void lx_ctr_log_serve(struct lx_ctr_log *log, struct lx_httpd_req *req);

#endif
