/*
 * The JSON bodies of the executor API, key for key as contract 1.5 to 1.8 list them. Strings of any
 * bytes are accepted; invalid UTF-8 becomes U+FFFD. Each appends to `out` and fails as lx_buf_add
 * does; it may then hold a part.
 */
#ifndef LX_QUEUE_BODIES_H
#define LX_QUEUE_BODIES_H

#include "lunexec/queue.h"

/* What a body may grow to, the output of a log entry not counted. */
#define LX_QUEUE_BODY_MAX (16u * 1024 * 1024)
/* Longer messages of mark calls are cut. */
#define LX_QUEUE_MESSAGE_MAX (64u * 1024)

/* Asks for a job, saying what the executor is and has. */
int lx_body_dequeue(const struct lx_queue_opts *opts, struct lx_buf *out, struct lx_err *err);

/* A heartbeat without jobs and without facts of the host. */
int lx_body_ping(const struct lx_queue_opts *opts, struct lx_buf *out, struct lx_err *err);

/* `uids` need not be sorted; `metrics` is the text exposition. */
int lx_body_heartbeat(const struct lx_queue_opts *opts, const char *const *uids,
                      const char *metrics, struct lx_buf *out, struct lx_err *err);

/* The text before and after the inside of the "out" string; without output, *head is everything.
 * entry_id 0 leaves "entryId" out: an add. */
int lx_body_entry(const struct lx_queue_opts *opts, int64_t job_id, int64_t entry_id,
                  const struct lx_log_entry *entry, struct lx_buf *head, struct lx_buf *tail,
                  struct lx_err *err);

/* `message` is left out of a "complete". */
int lx_body_mark(const struct lx_queue_opts *opts, int64_t job_id, enum lx_mark mark,
                 const char *message, struct lx_buf *out, struct lx_err *err);

#endif
