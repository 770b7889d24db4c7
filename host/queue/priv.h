/*
 * The inside of the queue client: one call with its request, its retries and its callback.
 */
#ifndef LX_QUEUE_PRIV_H
#define LX_QUEUE_PRIV_H

#include "lunexec/queue.h"

#include "lunexec/backoff.h"

/* Milliseconds; tests make them small. */
struct lx_queue_tuning {
    unsigned attempts;        /* at least this many, deadline or not (contract 1.1) [21] */
    uint64_t base_ms;         /* first delay and floor of all [50] */
    uint64_t max_ms;          /* largest delay of the first `attempts` [1000] */
    uint64_t late_max_ms;     /* of those after it, until the deadline [5000] */
    uint64_t retry_after_ms;  /* a longer Retry-After is cut to this [30000] */
    uint64_t call_timeout_ms; /* one try of a small call [30000] */
    uint64_t beat_timeout_ms; /* of a heartbeat or ping [10000] */
};

/* For calls made from now on. */
void lx_queue_tune(struct lx_queue *queue, const struct lx_queue_tuning *tuning);

enum lx_queue_op {
    LX_OP_PING,
    LX_OP_DEQUEUE,
    LX_OP_HEARTBEAT,
    LX_OP_ADD,
    LX_OP_UPDATE,
    LX_OP_MARK_COMPLETE,
    LX_OP_MARK_ERRORED,
    LX_OP_MARK_FAILED,
    LX_OP_FILE,
};

struct lx_queue {
    struct lx_loop *loop;
    struct lx_http *http, *beat_http;
    struct lx_log *log;
    struct lx_metrics *metrics;
    struct lx_queue_opts opts; /* strings are ours */
    struct lx_queue_tuning tuning;
    struct lx_rand rand;
    struct lx_list calls;
    struct lx_metric *queue_duration, *queue_total, *queue_errors;
    struct lx_metric *files_duration, *files_total, *files_errors;
    struct lx_metric *retries;
};

/* Whether a try without an answer may be repeated. */
enum lx_queue_repeat {
    LX_REPEAT_NEVER,  /* one try */
    LX_REPEAT_UNSENT, /* not when the request may have arrived */
    LX_REPEAT_ALWAYS,
};

/* The request that tells whether an entry exists whose add had no answer. */
struct lx_queue_probe {
    unsigned refusals; /* answers of 500 in a row */
    int64_t id;
    char *url;
    struct lx_buf head, tail;
};

struct lx_queue_call {
    struct lx_list link;
    struct lx_queue *queue;
    enum lx_queue_op op;
    enum lx_queue_repeat repeat;
    bool reporting; /* its callback runs: cancelling does nothing any more */

    char *url;
    char **headers;
    struct lx_buf head, tail;     /* the body, with `out` between them */
    struct lx_out_source out;     /* len 0: none */
    struct lx_queue_probe *probe; /* of an add; NULL: none */
    bool probing;                 /* url, head and tail are the probe's, and its the add's */
    uint64_t sent;                /* of the body, in this try */
    bool out_failed;              /* the source could not be read: no use in trying again */
    uint64_t timeout_ms, idle_timeout_ms;
    size_t max_answer;

    struct lx_http_call *http;
    struct lx_timer *timer; /* the next try */
    struct lx_task refused; /* reports `refusal` without a (further) try */
    struct lx_err refusal;
    struct lx_backoff backoff;
    unsigned tries;
    uint64_t started_ms, deadline_ms;

    /* Whether an answer of 200 or 204 can be read, and keeps what it says; NULL: any can. If not,
     * it is as good as lost. */
    int (*accept)(struct lx_queue_call *call, const struct lx_http_result *result,
                  struct lx_err *err);
    int64_t entry_id; /* what an add was answered */
    /* Reads the answer, counts the outcome, calls the user's callback (last: it may free the
     * queue). err is NULL for 200 and 204 that `accept` took, and result NULL when nothing was
     * tried; lost: the request may have had its effect though no answer came. */
    void (*finish)(struct lx_queue_call *call, const struct lx_http_result *result,
                   const struct lx_err *err, bool lost);
    union {
        void (*plain)(void *arg, const struct lx_err *err); /* ping, update, mark; mark: or NULL */
        void (*dequeue)(void *arg, struct lx_job *job, const struct lx_err *err);
        void (*heartbeat)(void *arg, char *const *known, char *const *cancel,
                          const struct lx_err *err);
        void (*add)(void *arg, int64_t entry_id, const struct lx_err *err);
        void (*file)(void *arg, const char *data, size_t len, const struct lx_err *err);
    } cb;
    void *arg;
    char **uids; /* of a heartbeat */
};

/* A call with URL and headers, in the queue's list; it does nothing yet. `path` is everything after
 * "/.executors/"; `job` NULL authorizes as the executor (contract 1.2). */
struct lx_queue_call *lx_queue_call_new(struct lx_queue *queue, enum lx_queue_op op,
                                        const char *path, const struct lx_job *job);
/* Starts it, or with rc < 0 reports `err` instead, deferred. */
struct lx_queue_call *lx_queue_call_start(struct lx_queue_call *call, int rc,
                                          const struct lx_err *err);
/* "queue/<queue>/<endpoint>", without the queue when it is NULL. free(). */
char *lx_queue_call_queue_path(const char *queue, const char *endpoint);
/* The whole URL of a path as above. free(). */
char *lx_queue_call_url(const struct lx_queue *queue, const char *path);
/* From an add to the update that tells whether it was made, and back. */
void lx_queue_call_swap_probe(struct lx_queue_call *call);
void lx_queue_probe_free(struct lx_queue_probe *probe);
/* Counts the outcome. */
void lx_queue_call_count(const struct lx_queue_call *call, bool ok);
/* Counts a further try. */
void lx_queue_call_count_retry(const struct lx_queue_call *call);

/* The answer's JSON; LX_E_PEER when it is none, without quoting it: it may hold secrets. */
int lx_answer_json(const struct lx_http_result *result, json_t **ret_value, struct lx_err *err);
/* The running ids that an answer's "knownIds" or "cancelIds" names (contract 1.6), as `uids` spells
 * them. Release with lx_strv_free. */
int lx_answer_ids(const json_t *answer, const char *key, char *const *uids, char ***ret_ids,
                  struct lx_err *err);
/* The error of an answer that is neither 200 nor 204. */
void lx_answer_error(enum lx_queue_op op, const struct lx_http_result *result,
                     struct lx_err *ret_err);

/* Adds the families of contract 10 to the registry. */
void lx_queue_add_metrics(struct lx_queue *queue);

#endif
