/*
 * From a policy's answer to the objects that are sent to the cluster; runs and previews share it.
 */
#ifndef LX_JOB_MANIFESTS_H
#define LX_JOB_MANIFESTS_H

#include "job/objects.h"
#include "job/workload.h"

/* What the manifests are made from. All borrowed. */
struct lx_manifests {
    const struct lx_executor_opts *opts;
    const struct lx_job *job;
    const struct lx_workload *workload;
    const struct lx_policy *policy; /* that decides; its hash is on every object */
    const char *frontend, *run;     /* as in struct lx_plan_spec; NULL in a preview */
};

/* The Job manifest of job()'s results: checked, completed, and with what only the host knows. The
 * caller owns it. LX_E_REFUSED names the rule. */
int lx_manifests_plan(const struct lx_manifests *m, const json_t *results, json_t **ret_plan,
                      struct lx_err *err);

/* The same for a task alone: no commands and no environment are put in. */
int lx_manifests_try(const struct lx_executor_opts *opts, const struct lx_policy *policy,
                     const json_t *task, const json_t *results, json_t **ret_plan,
                     struct lx_err *err);

/* The manifest of any of a job's objects; `plan` is the Job's, `job_uid` that of the Job created.
 * The caller owns it; NULL with *err filled. */
json_t *lx_manifests_object(const struct lx_manifests *m, const struct lx_object *object,
                            json_t *plan, const char *job_uid, struct lx_err *err);

#endif
