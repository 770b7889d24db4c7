/*
 * The policies of a running executor: the active one and the shadow, each followed in its
 * directory, and the default one that decisions are compared with.
 */
#ifndef LX_APP_RELOAD_H
#define LX_APP_RELOAD_H

#include "app/settings.h"
#include "lunexec/executor.h"

struct lx_reload;

struct lx_reload_opts {
    struct lx_loop *loop;
    struct lx_log *log;
    struct lx_metrics *metrics;
    const struct lx_settings *settings; /* borrowed */
    /* What settings and guardrails decide, with the cluster, for trials; copied. */
    const struct lx_executor_opts *executor;
    /* Once, deferred: the policy of the start is loaded, or why it cannot be. */
    void (*ready)(void *arg, const struct lx_err *err);
    void *arg;
};

/* LX_E_INVALID and others: the scripts cannot be read. */
int lx_reload_new(const struct lx_reload_opts *opts, struct lx_reload **ret_reload,
                  struct lx_err *err);
void lx_reload_free(struct lx_reload *reload);

/* The active policy; borrowed until it is replaced. After `ready`. */
struct lx_policy *lx_reload_policy(const struct lx_reload *reload);

/* From now on each policy that is loaded goes to this executor (borrowed), which also gets those
 * that are loaded. */
void lx_reload_attach(struct lx_reload *reload, struct lx_executor *executor);

/* {"active": ..., "shadow": ... or null}. The caller owns it. */
json_t *lx_reload_status(const struct lx_reload *reload);

#endif
