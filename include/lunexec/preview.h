/*
 * What would be made of a job, without a queue or a cluster: for the tools around policies. `opts`
 * and `job` are borrowed.
 */
#ifndef LUNEXEC_PREVIEW_H
#define LUNEXEC_PREVIEW_H

#include "lunexec/executor.h"

/* Asks the policy's admit() and job() as a run does, and gives all objects in the order in which
 * they would be made: an array of manifests, the caller's. Of `opts` the loop, the policy and what
 * the settings decide are used. Runs the loop, so it must not be called from a callback. Files that
 * would be fetched count as empty, and are so in `job` from then on; what the Job owns names it by
 * a UID of zeros. LX_E_REFUSED: the policy or a guardrail said no; LX_E_INVALID, LX_E_LIMIT: the
 * job cannot be carried, or an answer is malformed; LX_E_TIMEOUT, LX_E_IO: the policy does not
 * answer.
 */
int lx_preview(const struct lx_executor_opts *opts, struct lx_job *job, json_t **ret_objects,
               struct lx_err *err);

/* The task that job() would get, of the first Job; the policy is not asked. `job` changes as above.
 * The caller owns it. LX_E_INVALID, LX_E_LIMIT: the job has no steps, or cannot be carried. */
int lx_preview_task(const struct lx_executor_opts *opts, struct lx_job *job, json_t **ret_task,
                    struct lx_err *err);

/* {"task": ..., "job": ...}: what job() and admit() would get, for lx_trial_start; else as
 * lx_preview_task. */
int lx_preview_arguments(const struct lx_executor_opts *opts, struct lx_job *job,
                         json_t **ret_arguments, struct lx_err *err);

/* A copy of lx_preview's objects for people: values of Secrets are "***", and the job's secrets,
 * its token and the password are masked in every other text. The caller owns it; NULL with *err
 * filled (LX_E_LIMIT). */
json_t *lx_preview_masked(const struct lx_executor_opts *opts, const struct lx_job *job,
                          const json_t *objects, struct lx_err *err);

#endif
