/*
 * A call of a policy function, from lx_policy_call until its callback.
 */
#ifndef LX_POLICY_CALL_H
#define LX_POLICY_CALL_H

#include "answer.h"
#include "lunexec/policy.h"

struct lx_policy_call {
    struct lx_list link; /* in the pool's calls, later in its done */
    struct lx_policy *policy;
    char *function;
    struct lx_buf request; /* a sealed frame, kept for a second try */
    unsigned deaths;       /* of children that had this call */
    bool finished;         /* `err` and `answer` hold its end; the task is posted */
    struct lx_err err;
    struct lx_answer answer;
    struct lx_task task;
    void (*cb)(void *arg, bool defined, json_t *results, const struct lx_err *err);
    void *arg;
};

/* A call with an empty request, in no list. `function` is copied; the caller frees it. */
struct lx_policy_call *lx_call_new(struct lx_policy *policy, const char *function,
                                   void (*cb)(void *arg, bool defined, json_t *results,
                                              const struct lx_err *err),
                                   void *arg);
/* Takes it out of its list and cancels its task. */
void lx_call_free(struct lx_policy_call *call);

/* Writes the request; LX_E_LIMIT when the arguments are too large. */
int lx_call_encode(struct lx_policy_call *call, const json_t *args, struct lx_err *err);

#endif
