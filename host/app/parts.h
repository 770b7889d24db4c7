/*
 * What `run` and `validate` both open, given the settings.
 */
#ifndef LX_APP_PARTS_H
#define LX_APP_PARTS_H

#include "app/settings.h"
#include "lunexec/executor.h"
#include "lunexec/http.h"
#include "lunexec/kube.h"
#include "lunexec/policy.h"

/* Reads settings and Kubernetes credentials and prints every problem to stderr, one line each; -1
 * if there was one. Release both in either case. */
int lx_app_configure(const struct lx_env *env, struct lx_settings *ret_settings,
                     struct lx_kube_config *ret_cluster);

/* The cluster that the settings name. Release in either case. */
int lx_app_cluster(const struct lx_settings *settings, struct lx_kube_config *ret_cluster,
                   struct lx_err *err);

/* The claim's name chooses the shared volume only where that can work: charts of the original go on
 * setting it though it has no meaning since 5.9, and mount the claim as root's or not at all.
 * Without KUBERNETES_SINGLE_JOB_POD and a workspace directory that can be written to, `settings`
 * become those of one pod a job, and a line that says so is returned; else NULL. free() it. */
char *lx_app_settle_layout(struct lx_settings *settings);

/* What the settings decide of an executor; the handles are NULL. All borrowed. */
struct lx_executor_opts lx_app_executor_opts(const struct lx_settings *settings,
                                             const json_t *policy_settings);

/* The client for the frontend. */
int lx_app_http(struct lx_loop *loop, const struct lx_settings *settings, struct lx_http **ret_http,
                struct lx_err *err);

/* The operator's scripts, or the bundled ones. */
int lx_app_bundle(const struct lx_settings *settings, struct lx_bundle **ret_bundle,
                  struct lx_err *err);

#endif
