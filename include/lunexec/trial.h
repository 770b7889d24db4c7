/*
 * Trying a policy before it is used: its functions are called with tasks, one after the other, and
 * what they return goes through the checks that a job's plan goes through.
 */
#ifndef LUNEXEC_TRIAL_H
#define LUNEXEC_TRIAL_H

#include "lunexec/executor.h"

struct lx_trial;

struct lx_trial_opts {
    const struct lx_executor_opts *executor; /* what settings and guardrails decide; borrowed */
    struct lx_policy *policy;                /* a reference is taken */
    const json_t *tasks; /* array of {"task": ..., "job": ...}, the arguments of job() and admit();
                            borrowed during the start */
    bool dry_run; /* the API server is asked about each Job as well; nothing is kept there. One that
                     cannot be asked does not count against the policy */
    /* Once, deferred; NULL: the policy can be used. LX_E_REFUSED: it cannot, *err says for which
     * repository. LX_E_TIMEOUT: a function takes too long. The trial may be freed in it. */
    void (*done)(void *arg, const struct lx_err *err);
    void *arg;
};

/* Begins to call the policy's functions. `opts` is copied; the caller frees the trial. */
struct lx_trial *lx_trial_start(const struct lx_trial_opts *opts);
/* Ends it without a callback if it is underway. NULL is accepted. */
void lx_trial_free(struct lx_trial *trial);

#endif
