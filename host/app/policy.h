/*
 * `lunexec policy`, given the environment's settings.
 */
#ifndef LX_APP_POLICY_H
#define LX_APP_POLICY_H

#include "app/settings.h"

/* What of the frontend and the queue is not set gets a placeholder. argv[0] is "policy". Returns
 * the exit status. */
int lx_policy_main(const struct lx_env *env, int argc, char **argv);

#endif
