/*
 * The task: what the policy gets to see of a job. No commands, no values of the environment, no
 * file contents, no tokens.
 */
#ifndef LX_JOB_TASK_H
#define LX_JOB_TASK_H

#include "job/workload.h"

/* The first argument of the policy's job(); its shape is in lua/lunexec/types.lua. The caller owns
 * it. `facts` is taken over. */
json_t *lx_task_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                    const struct lx_workload *workload, int64_t attempt, json_t *facts);

/* The first argument of the policy's admit(): repository, queue, steps, files by name and size.
 * `facts` is taken over. */
json_t *lx_task_job(const struct lx_job *job, int64_t attempt, json_t *facts);

#endif
