/*
 * Before the first job: git's version, and pings until the frontend knows this executor.
 */
#ifndef LX_APP_STARTUP_H
#define LX_APP_STARTUP_H

#include "lunexec/log.h"
#include "lunexec/loop.h"
#include "lunexec/queue.h"

struct lx_startup;

/* Asks `git version`, which gets PATH of `environment` (ours, NAME=value) and nothing else; `done`
 * gets "2.45.2", or "" when git is missing or silent for 5 s (contract 1.6). Deferred. */
struct lx_startup *lx_startup_git(struct lx_loop *loop, char *const *environment,
                                  void (*done)(void *arg, const char *version), void *arg);

/* Pings until the frontend answers; `done` gets NULL then, or LX_E_AUTH when it refuses the
 * password. An unreachable frontend is waited for, with a log line within 4 s and then once a
 * minute (contract 4, operations 10.2). Deferred. */
struct lx_startup *lx_startup_ping(struct lx_loop *loop, struct lx_queue *queue, const char *url,
                                   struct lx_log *log,
                                   void (*done)(void *arg, const struct lx_err *err), void *arg);

void lx_startup_free(struct lx_startup *startup);

#endif
