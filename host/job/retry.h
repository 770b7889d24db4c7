/*
 * Between the attempts at a job: what the policy's retry() is told and what it answers.
 */
#ifndef LX_JOB_RETRY_H
#define LX_JOB_RETRY_H

#include "job/failure.h"
#include "lunexec/json.h"

/* However the policy decides, a job has no more attempts than these. */
#define LX_ATTEMPTS_MAX 10

/* The first argument of retry(); its shape is in lua/lunexec/types.lua (lunexec.Failure). The
 * caller owns it. */
json_t *lx_retry_failure(const struct lx_failure *failure, int64_t attempt);

struct lx_retry {
    bool again; /* else the failure stands, and the rest means nothing */
    uint64_t delay_ms;
    json_t *resources; /* goes into the next attempt's task as it is; NULL: none. The caller's */
};

/* Reads what retry() returned: nothing, nil or false, or a table. LX_E_REFUSED, naming the field
 * and its value. */
int lx_retry_parse(const json_t *results, struct lx_retry *ret_retry, struct lx_err *err);

#endif
