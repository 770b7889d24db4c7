/*
 * The task: what the policy gets to see of a job. No commands, no values of the environment, no
 * file contents, no tokens.
 */
#ifndef LX_JOB_TASK_H
#define LX_JOB_TASK_H

#include "job/workload.h"

struct lx_task_attempt {
    int64_t number;          /* from 1 */
    const json_t *resources; /* what retry() asked for; NULL: nothing */
};

/* The first argument of the policy's job(); its shape is in lua/lunexec/types.lua. `attempt` NULL:
 * the first; `facts` is taken over. The caller owns it. */
json_t *lx_task_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                    const struct lx_workload *workload, const struct lx_task_attempt *attempt,
                    json_t *facts);

/* The first argument of the policy's admit(): repository, queue, steps, files by name and size.
 * `facts` is taken over. */
json_t *lx_task_job(const struct lx_job *job, int64_t attempt, json_t *facts);

#endif
