/*
 * What a policy decided about one Job, for the log: which functions ran, how long, what they
 * changed from the default policy; and what a shadow policy would have changed. The comparisons are
 * made after the fact, by policies in children of their own; a job does not wait for them.
 */
#ifndef LX_JOB_DECISION_H
#define LX_JOB_DECISION_H

#include "lunexec/executor.h"

struct lx_decision;

/* `job` is borrowed during this call only. */
struct lx_decision *lx_decision_new(struct lx_executor *ex, struct lx_policy *policy,
                                    const struct lx_job *job);
/* Without a line in the log; comparisons underway are cancelled. */
void lx_decision_free(struct lx_decision *decision);

/* The decision whose place in executor->decisions this is. */
struct lx_decision *lx_decision_of(struct lx_list *link);

/* `function` is about to be called with `args`, which must not change any more. At most four. */
void lx_decision_asked(struct lx_decision *decision, const char *function, json_t *args);

/* It has answered; err NULL: with `results`. */
void lx_decision_answered(struct lx_decision *decision, const json_t *results,
                          const struct lx_err *err);

/* Nothing more is asked for this Job: compares, writes the line, frees itself. `refused`: why the
 * Job is not made, NULL if it is. */
void lx_decision_close(struct lx_decision *decision, const char *refused);

#endif
