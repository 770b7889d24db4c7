/*
 * The executor API of a Sourcegraph instance (contract sections 1 and 2). Everything, callbacks
 * too, on the loop's thread.
 */
#ifndef LUNEXEC_QUEUE_H
#define LUNEXEC_QUEUE_H

#include "lunexec/http.h"
#include "lunexec/json.h"
#include "lunexec/log.h"
#include "lunexec/loop.h"
#include "lunexec/metrics.h"
#include "lunexec/outsource.h"

#include <time.h>

/* ---- The job payload, V1 and V2 (contract 2.1) ---- */

struct lx_job_file {
    char *path;    /* relative to the workspace */
    char *content; /* decoded bytes; NULL when the file is in a bucket */
    size_t content_len;
    char *bucket, *key; /* both set: fetched from the files API */
    bool has_mtime;
    struct timespec mtime;
    int mtime_zone_minutes; /* offset of the payload's zone (contract 5.3) */
};

struct lx_job_step {
    char *key; /* "step.0.pre"; may be "" */
    char *image;
    char **commands; /* lines of one script, NULL-terminated */
    char *dir;
    char **env; /* NAME=value, NULL-terminated */
};

struct lx_job_secret {
    char *value, *replacement;
};

/* A job as the server handed it out. All owned; lx_job_free frees, overwriting what is secret. */
struct lx_job {
    int version; /* 1 or 2 */
    int64_t id;
    char *queue;           /* as received, else the configured single queue */
    bool queue_in_payload; /* the id we report is then "<id>-<queue>" */
    char *uid;             /* "<id>" or "<id>-<queue>" (contract 1.6) */
    char *token;           /* job token; "" on very old servers */
    char *repository, *repository_dir, *commit;
    bool fetch_tags, shallow_clone;
    char **sparse_checkout;
    struct lx_job_file *files;
    size_t n_files;
    struct lx_job_step *steps;
    size_t n_steps;
    size_t n_cli_steps; /* cliSteps are counted, not run (contract 2.1) */
    struct lx_job_secret *secrets;
    size_t n_secrets;
    json_t *docker_auth; /* {"auths":{}} object; NULL if absent */
    json_t *payload;     /* what it was read from, for whoever keeps it; may be taken */
};

/* Reads a payload. Refuses (LX_E_INVALID, naming the key): no id, wrong types, bad base64, env
 * entries without '=', paths that lead out of the workspace, no queue though several are served.
 * null arrays and maps count as empty; unknown keys are ignored. `queue` is the configured single
 * queue (NULL in multi-queue mode). The caller owns *ret_job, which keeps a reference to `payload`.
 */
int lx_job_parse(const json_t *payload, const char *queue, struct lx_job **ret_job,
                 struct lx_err *err);
void lx_job_free(struct lx_job *job);
LX_DEFINE_AUTO(job, struct lx_job *, lx_job_free)

/* ---- The client ---- */

/* What a client is made with; borrowed during lx_queue_new only, but for the registry. */
struct lx_queue_opts {
    const char *frontend_url, *password;
    const char *const *queues; /* NULL-terminated; one in single-queue mode */
    bool multi;                /* the multi-queue endpoints and bodies (contract 1.3) */
    const char *executor_name;
    const char *version; /* reported executor version */
    const char *git_version;
    int64_t num_cpus;                /* dequeue's numCPUs; 0 leaves it out */
    const char *memory, *disk_space; /* "" leaves them out */
    struct lx_metrics *metrics;      /* exposed in every heartbeat; may be NULL */
    /* For pings and heartbeats alone, so that they wait for no connection while other calls take
     * long. It outlives the client; NULL: the same as for all calls. */
    struct lx_http *beat_http;
    /* Milliseconds; 0: the default in brackets (contract 1.1). */
    unsigned attempts;       /* tries of a call, at least [21] */
    uint64_t delay_ms;       /* first and shortest pause between two [50] */
    uint64_t delay_max_ms;   /* longest of those pauses [1000] */
    uint64_t retry_after_ms; /* most that a Retry-After is obeyed [30000] */
    uint64_t timeout_ms;     /* of one try of a small call [30000] */
};

struct lx_queue;
struct lx_queue_call;

/* A client on `loop` and `http`, which outlive it; `log` may be NULL and gets debug lines about
 * repeated tries. Strings are copied. With opts->metrics the families of contract 10 are added to
 * it: one client a registry. LX_E_INVALID: a bad URL, no executor name, no queue. */
int lx_queue_new(struct lx_loop *loop, struct lx_http *http, const struct lx_queue_opts *opts,
                 struct lx_log *log, struct lx_queue **ret_queue, struct lx_err *err);
/* Cancels what runs: no callback is called any more. Allowed in a callback. NULL is accepted. */
void lx_queue_free(struct lx_queue *queue);
/* Calls from now on are made in this name, which must not be empty; it is copied. */
void lx_queue_set_executor_name(struct lx_queue *queue, const char *name);

/* Every call below returns a handle, never NULL, for lx_queue_cancel; jobs, entries and strings are
 * borrowed until it returns. It reports once, deferred, unless cancelled; err is NULL on success
 * (200 or 204 and an answer as the contract has it). Tries are repeated as contract 1.1 says
 * (transport errors, 429, 5xx but not 501; 21 tries, growing delays with jitter, Retry-After obeyed
 * up to 30 s), and after those every 5 s at most until `deadline_ms` (monotonic; 0: none). A
 * dequeue or an add whose request may have arrived is not repeated (see each); a ping or heartbeat
 * is one try of at most 10 s, others of 30 s without progress. Error codes: LX_E_AUTH 401 and 403,
 * LX_E_NOT_FOUND 404, LX_E_CONFLICT 409, LX_E_GONE 410, LX_E_PEER other statuses and answers,
 * LX_E_LIMIT an answer or a request that is too large, LX_E_IO and LX_E_TIMEOUT no answer. */

/* Ping: one try, no retry; the caller loops (contract 4). */
struct lx_queue_call *lx_queue_ping(struct lx_queue *queue,
                                    void (*cb)(void *arg, const struct lx_err *err), void *arg);

/* Dequeue: job NULL and err NULL: nothing there. Tried again only when the request cannot have
 * arrived or the server answered 429/5xx. The callback owns `job`. The record of
 * a payload that lx_job_parse refuses is marked failed with the reason, in the background, if its
 * id can be read; the callback gets LX_E_INVALID. Without it the server would hand the job out
 * again and again. */
struct lx_queue_call *
lx_queue_dequeue(struct lx_queue *queue,
                 void (*cb)(void *arg, struct lx_job *job, const struct lx_err *err), void *arg);

/* Heartbeat for the running ids (NULL-terminated uids). `known` and `cancel` are uid lists,
 * NULL-terminated, valid in the callback; numbers in the answer come as decimal strings, and in
 * single-queue mode plain ids match the uid of a payload that carried a queue. One try. */
struct lx_queue_call *lx_queue_heartbeat(struct lx_queue *queue, const char *const *uids,
                                         void (*cb)(void *arg, char *const *known,
                                                    char *const *cancel, const struct lx_err *err),
                                         void *arg);

/* Log entries (contract 1.7). `out` is the output so far, in pieces (lunexec/outsource.h). */
struct lx_log_entry {
    const char *key;
    const char *const *command; /* NULL: null; already masked */
    struct timespec start;
    bool finished;
    int64_t exit_code, duration_ms; /* when finished */
    int64_t expect_id;              /* for an add: the id it will get, the last one's + 1 (the first
                                       of a job is 1); 0: not known */
    bool maybe_added; /* an add: an earlier process may have made it, so that is found out first, if
                         expect_id is known */
    const struct lx_out_source *out; /* NULL or len 0: key left out; copied, what it reads from is
                                        borrowed until the callback */
};

#define LX_ENTRY_UNKNOWN (-1)

/* Add: never made twice. It is repeated while the request cannot have arrived, or on 429 and 5xx
 * answers. When the answer was lost, or is no id, the entry may exist: an update of
 * entry->expect_id with the same content tells, and if it does not exist the add is repeated.
 * Without expect_id, or when that cannot be found out by `deadline_ms` either, entry_id is
 * LX_ENTRY_UNKNOWN beside the error; it is 0 beside any other. LX_E_NOT_FOUND when the record is no
 * longer ours ("unknown job"), not repeated. */
struct lx_queue_call *
lx_queue_add_entry(struct lx_queue *queue, const struct lx_job *job,
                   const struct lx_log_entry *entry, uint64_t deadline_ms,
                   void (*cb)(void *arg, int64_t entry_id, const struct lx_err *err), void *arg);
/* Update: the entry with that id gets this content; made twice it does no harm. LX_E_NOT_FOUND as
 * for an add. `cb` may be NULL. */
struct lx_queue_call *lx_queue_update_entry(struct lx_queue *queue, const struct lx_job *job,
                                            int64_t entry_id, const struct lx_log_entry *entry,
                                            uint64_t deadline_ms,
                                            void (*cb)(void *arg, const struct lx_err *err),
                                            void *arg);

enum lx_mark { LX_MARK_COMPLETE, LX_MARK_ERRORED, LX_MARK_FAILED };
/* "complete", "errored", "failed". Static. */
const char *lx_mark_name(enum lx_mark mark);

/* Mark (contract 1.8): the record's end; its job token is of no use afterwards. `message` says why,
 * cut at 64 KiB; of a complete one it is not sent. 404: the record is no longer ours,
 * LX_E_NOT_FOUND, not retried. `cb` may be NULL. */
struct lx_queue_call *lx_queue_mark(struct lx_queue *queue, const struct lx_job *job,
                                    enum lx_mark mark, const char *message, uint64_t deadline_ms,
                                    void (*cb)(void *arg, const struct lx_err *err), void *arg);

/* A workspace file (contract 1.9), at most `max` bytes, else LX_E_LIMIT; `data` is valid in the
 * callback, NULL on failure. LX_E_INVALID for a bucket or key that is no plain path. */
struct lx_queue_call *
lx_queue_file(struct lx_queue *queue, const struct lx_job *job, const char *bucket, const char *key,
              size_t max, uint64_t deadline_ms,
              void (*cb)(void *arg, const char *data, size_t len, const struct lx_err *err),
              void *arg);

/* Stops the call; its callback is not called any more. NULL is accepted; so is the call whose
 * callback is running, which changes nothing. A call is gone once its callback has returned. */
void lx_queue_cancel(struct lx_queue_call *call);

#endif
