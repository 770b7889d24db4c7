/*
 * `lunexec validate`: would `lunexec run` work here?
 */
#ifndef LX_APP_VALIDATE_H
#define LX_APP_VALIDATE_H

#include "app/settings.h"

/* Checks the settings; then, at once, the folders that are written to, git (2.26 or later), the
 * frontend's answer to the password, each Kubernetes verb that jobs need, and whether the policy
 * loads. Nothing is created anywhere. Prints one line a problem to stderr and returns 1, or "All
 * checks passed!" to stdout and returns 0 (contract 3.4). */
int lx_validate_main(const struct lx_env *env);

#endif
