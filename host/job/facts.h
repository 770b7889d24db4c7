/*
 * What a policy is told beside the job: facts of the moment.
 */
#ifndef LX_JOB_FACTS_H
#define LX_JOB_FACTS_H

#include "lunexec/json.h"
#include "lunexec/queue.h"

struct lx_executor;

/* lunexec.Facts (lua/lunexec/types.lua) for a job that runs in `ex`; without an executor, for
 * samples and previews, those of an idle one at a fixed time. The caller owns it. */
json_t *lx_facts_new(const struct lx_executor *ex, const struct lx_job *job);

#endif
