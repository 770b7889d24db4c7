/*
 * `lunexec policy`: what an operator checks, renders and compares policies with.
 */
#ifndef LUNEXEC_POLICYTOOL_H
#define LUNEXEC_POLICYTOOL_H

#include "lunexec/executor.h"

/* What the program knows and the tool does not. All borrowed. */
struct lx_policytool {
    struct lx_executor_opts executor; /* what the settings decide; handles are NULL */
    const char *queue;                /* of jobs that do not say theirs */
    const char *policy_dir;           /* without --policy */
    const char *scripts_dir;          /* the bundled scripts; NULL: there are none */
    const char *library_dir;
    char *const *environment;
    /* Where --cluster sends to; called with `arg`. The caller releases *ret_config in either case.
     */
    int (*find_cluster)(const void *arg, struct lx_kube_config *ret_config, struct lx_err *err);
    const void *arg;
};

/* A sample job of each kind, for trials: `index` from 0; *ret_name (may be NULL) is static, the
 * caller owns *ret_job. LX_E_NOT_FOUND beyond the last. */
int lx_policytool_sample(size_t index, const char **ret_name, struct lx_job **ret_job,
                         struct lx_err *err);

/* Runs one command, on a loop of its own, and prints its outcome. argv[0] is "policy". Returns the
 * exit status (docs/policy-tool.md). */
int lx_policytool_main(const struct lx_policytool *host, int argc, char **argv);

#endif
