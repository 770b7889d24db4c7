/*
 * What would be made of a job, without a queue or a cluster: for the tools around policies.
 */
#ifndef LUNEXEC_PREVIEW_H
#define LUNEXEC_PREVIEW_H

#include "lunexec/executor.h"

/* Asks the policy's admit() and job() as a run does, and gives all objects in the order in which
 * they would be made: an array of manifests, the caller's. Of `opts` the loop, the policy and what
 * the settings decide are used. Runs the loop, so it must not be called from a callback. Files that
 * would be fetched count as empty; what the Job owns names it by a UID of zeros. LX_E_REFUSED: the
 * policy or a guardrail said no; LX_E_INVALID, LX_E_LIMIT: the job cannot be carried. */
int lx_preview(const struct lx_executor_opts *opts, struct lx_job *job, json_t **ret_objects,
               struct lx_err *err);

/* The task that job() would get, of the first Job. The caller owns it. */
int lx_preview_task(const struct lx_executor_opts *opts, struct lx_job *job, json_t **ret_task,
                    struct lx_err *err);

/* {"task": ..., "job": ...}: what job() and admit() would get, for lx_trial_start. The caller owns
 * it. */
int lx_preview_arguments(const struct lx_executor_opts *opts, struct lx_job *job,
                         json_t **ret_arguments, struct lx_err *err);

/* The same objects for people: values of Secrets are "***", and the job's secrets are masked
 * wherever else they are. The caller owns it; NULL with *err filled. */
json_t *lx_preview_masked(const struct lx_executor_opts *opts, const struct lx_job *job,
                          const json_t *objects, struct lx_err *err);

#endif
