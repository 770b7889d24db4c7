/*
 * A running policy child: its process, the socket to it, and the one way it ends.
 */
#ifndef LX_POLICY_RUNNER_H
#define LX_POLICY_RUNNER_H

#include "lunexec/err.h"
#include "lunexec/loop.h"

#include <stddef.h>

struct lx_runner;

struct lx_runner_opts {
    const char *exe; /* NULL: lunexec-policy beside our own binary */
    /* A whole frame came; directly from the loop. */
    void (*on_frame)(void *arg, const char *data, size_t len);
    /* The process has ended; deferred, once. `ours`: because of lx_runner_kill, then `why` is what
     * was given there. The runner may be freed in it. */
    void (*on_gone)(void *arg, bool ours, const struct lx_err *why);
    void *arg;
};

/* Starts the process; `opts` is copied, and the caller frees the runner. LX_E_NOT_FOUND when there
 * is no such program, else LX_E_IO. */
int lx_runner_start(struct lx_loop *loop, const struct lx_runner_opts *opts,
                    struct lx_runner **ret_runner, struct lx_err *err);
/* Kills it if it still runs, without a callback. */
void lx_runner_free(struct lx_runner *runner);

/* As lx_channel_send. */
int lx_runner_send(struct lx_runner *runner, const char *data, size_t len, struct lx_err *err);
/* As lx_channel_pump. */
bool lx_runner_pump(struct lx_runner *runner);

/* Ends the process; on_gone follows with the first reason given. Frames that come before are not
 * delivered any more. */
void lx_runner_kill(struct lx_runner *runner, const struct lx_err *why);

/* Its process id. */
pid_t lx_runner_pid(const struct lx_runner *runner);

#endif
