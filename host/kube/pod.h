/*
 * Small pod records out of pod objects.
 */
#ifndef LX_KUBE_POD_H
#define LX_KUBE_POD_H

#include "lunexec/watch.h"

/* A record of `object`; LX_E_PEER when it has no name or UID. Texts beyond 4 KiB are cut, statuses
 * beyond 1,000 left out. The caller releases it with lx_pod_free. */
int lx_pod_parse(const json_t *object, struct lx_pod **ret_pod, struct lx_err *err);
void lx_pod_free(struct lx_pod *pod);
LX_DEFINE_AUTO(pod, struct lx_pod *, lx_pod_free)

#endif
