/*
 * A directory of scripts and the policy made from it: what is loaded, what is being tried, what was
 * refused.
 */
#ifndef LX_APP_GENERATION_H
#define LX_APP_GENERATION_H

#include "lunexec/metrics.h"
#include "lunexec/trial.h"

struct lx_generation;

struct lx_generation_opts {
    const char *name; /* "active", "shadow", in logs, metrics and the status. Static */
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_metric *reloads, *refused, *loaded_at;    /* labels name (and result) */
    const char *policy_dir, *scripts_dir, *library_dir; /* copied */
    bool tried;                              /* a policy must pass a trial before it is used */
    bool dry_run;                            /* with the API server's word */
    const struct lx_executor_opts *executor; /* for trials; borrowed */
    /* The tasks of a trial; the caller owns them. */
    json_t *(*tasks)(void *arg);
    /* Another policy is in use; lx_generation_policy has it. */
    void (*on_loaded)(void *arg);
    void *arg;
};

/* Loads nothing yet. `opts` is copied; the caller frees the generation. */
struct lx_generation *lx_generation_new(const struct lx_generation_opts *opts);
void lx_generation_free(struct lx_generation *generation);

/* Begins with a policy that is loaded already (a reference is taken), or with none, and follows the
 * directory from now on. */
void lx_generation_start(struct lx_generation *generation, struct lx_policy *policy);

/* Borrowed until the next on_loaded; NULL: none yet. */
struct lx_policy *lx_generation_policy(const struct lx_generation *generation);

/* An object for the status endpoint. The caller owns it. */
json_t *lx_generation_status(const struct lx_generation *generation);

#endif
