/*
 * Which of the Kubernetes verbs that jobs need are granted, found out without changing anything.
 */
#ifndef LX_APP_VALIDATE_CLUSTER_H
#define LX_APP_VALIDATE_CLUSTER_H

#include "lunexec/kube.h"

struct lx_validate_cluster_opts {
    struct lx_kube *kube;
    const struct lx_kube_config *config;
    const char *ns;
    bool secrets, claims; /* whether the layout makes them */
    void (*on_problem)(void *arg, const char *text);
    void (*on_done)(void *arg); /* once, last */
    void *arg;
};

struct lx_validate_cluster;

/* Lists one pod; then gets and deletes objects that do not exist and creates ones without a name,
 * which the API server refuses, but as forbidden only where the verb is missing. Deferred. `opts`
 * is copied, what it points to borrowed. */
struct lx_validate_cluster *lx_validate_cluster(const struct lx_validate_cluster_opts *opts);
void lx_validate_cluster_free(struct lx_validate_cluster *check);

#endif
