/*
 * `lunexec run`: wires the rooms together and drives start, drain and stop.
 */
#ifndef LX_APP_RUN_H
#define LX_APP_RUN_H

#include "app/settings.h"

/* Runs until drained, stopped or unable to start; the exit status: 0 after a drain or a stop, 1
 * when the settings, the credentials or the policy are unusable.
 */
int lx_run_main(const struct lx_env *env);

#endif
