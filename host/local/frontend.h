/*
 * The stand-in for the Sourcegraph frontend: its executor API as in contract 1, strict about
 * headers, tokens and the order of calls. Private to host/local.
 */
#ifndef LUNEXEC_LOCAL_FRONTEND_H
#define LUNEXEC_LOCAL_FRONTEND_H

#include "lunexec/map.h"
#include "serve.h"

enum lx_record_state {
    LX_RECORD_QUEUED,
    LX_RECORD_PROCESSING,
    LX_RECORD_COMPLETED,
    LX_RECORD_FAILED,
    LX_RECORD_CANCELED,
};

/* One row of the server's job table. */
struct lx_record {
    struct lx_list link;
    int64_t id;
    char *queue;
    json_t *payload;
    char *repo;
    char token[41];   /* "" before the first dequeue and after a mark */
    bool fixed_token; /* the payload brought it; kept on re-dequeue */
    enum lx_record_state state;
    char *executor; /* whose it is while processing */
    bool cancel;
    bool was_marked;
    json_t *entries;  /* log entries, in order */
    uint64_t beat_ms; /* last sign of life, as the stalled-job reset sees it */
};

struct lx_repo {
    struct lx_list link;
    char *name, *dir;
};

struct lx_frontend {
    struct lx_loop *loop;
    struct lx_serve *serve;
    char *password;
    char *files_dir; /* workspace files, <dir>/<spec>/<file>; NULL: none */
    struct lx_list records;
    struct lx_list repos;
    struct lx_list git_runs;
    struct lx_map *executors; /* names that have sent a heartbeat */
    struct lx_timer *stall_timer;
    uint64_t stall_ms; /* contract 1.1: 25 s */
    int64_t next_id;
};

/* Notes a breach of the contract by the executor; `try` fails when there is one. */
void lx_frontend_violation(struct lx_frontend *fe, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- frontend_auth.c: who may call (contract 1.2) ----
 * Each answers the request itself when the caller may not, and returns false or NULL. */

/* The caller has the shared password. */
bool lx_frontend_executor_ok(struct lx_frontend *fe, struct lx_httpd_req *req);
/* `queue` NULL: any (git). *ret_shared (may be NULL) tells that the shared password was used; the
 * record can then be NULL although the call may go on (*ret_ok). */
struct lx_record *lx_frontend_job_of(struct lx_frontend *fe, struct lx_httpd_req *req,
                                     const char *queue, bool *ret_ok);
/* Notes what is wrong with headers that are common to all API calls; the server lets it pass. */
void lx_frontend_check_headers(struct lx_frontend *fe, struct lx_httpd_req *req);

/* ---- frontend_records.c: the job table ---- */

/* Queues a job. `payload` is copied, and gets an id if it has none. LX_E_INVALID: no object, an id
 * that is there already, a token that is too long. */
int lx_record_add(struct lx_frontend *fe, const char *queue, const json_t *payload,
                  struct lx_err *err);
/* Queues the job in a file, or in each *.json of a directory. LX_E_INVALID, LX_E_IO, LX_E_NOT_FOUND
 * or LX_E_LIMIT, naming the path. */
int lx_record_load(struct lx_frontend *fe, const char *queue, const char *path, struct lx_err *err);
void lx_record_free(struct lx_record *record);
/* By id; NULL if there is none. Borrowed. */
struct lx_record *lx_record_find(struct lx_frontend *fe, int64_t id);
/* The oldest queued one becomes `executor`'s; NULL when there is none. */
struct lx_record *lx_record_take(struct lx_frontend *fe, const char *queue, const char *executor);
/* "queued", "processing", ... Static. */
const char *lx_record_state_name(enum lx_record_state state);
/* Results that the server would find in the logs (contract 8.4); the last one's diff, base64. */
size_t lx_record_results(const struct lx_record *record, const char **ret_diff, json_t **ret_keep);

/* ---- frontend_queue.c, frontend_log.c, frontend_git.c: the endpoints ----
 * Each takes a request whose headers were checked and answers it. */

/* Hands out the oldest queued job, or says that there is none. */
void lx_frontend_dequeue(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue);
/* Says which of the jobs named are known, and which to cancel. */
void lx_frontend_heartbeat(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue);
/* Adds a log entry, and says its id. */
void lx_frontend_add_entry(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue);
/* Replaces a log entry. */
void lx_frontend_update_entry(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue);
/* Marks a job; `mark` is "complete", "errored" or "failed". */
void lx_frontend_mark(struct lx_frontend *fe, struct lx_httpd_req *req, const char *queue,
                      const char *mark);
/* Gives a workspace file, "batch-changes/SPEC/FILE". */
void lx_frontend_file(struct lx_frontend *fe, struct lx_httpd_req *req, const char *path);
/* Answers git, "NAME/info/refs" or "NAME/git-upload-pack", by running git. */
void lx_frontend_git(struct lx_frontend *fe, struct lx_httpd_req *req, const char *path);
/* Ends the git that runs; for the end of the process. */
void lx_frontend_git_stop(struct lx_frontend *fe);

/* The request's body as a JSON object; NULL after answering 400 (contract 1.4). The caller owns. */
json_t *lx_frontend_body(struct lx_frontend *fe, struct lx_httpd_req *req);
/* 500 {"error": text} (contract 1.4). */
void lx_frontend_fail(struct lx_frontend *fe, struct lx_httpd_req *req, const char *text);

#endif
