/*
 * The event loop: libuv, with a deferred queue that every completion goes through.
 * One loop, one thread. Nothing here is safe to call from another thread. All callbacks come from
 * the running loop, never before the call that they were given to returns. The loop outlives what
 * is made on it; `arg` goes to the callbacks and is the caller's.
 */
#ifndef LUNEXEC_LOOP_H
#define LUNEXEC_LOOP_H

#include "lunexec/err.h"
#include "lunexec/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct lx_loop;
struct uv_loop_s;

/* Also ignores SIGPIPE for the process: a peer that hangs up is an error value, not a signal.
 * LX_E_IO. */
int lx_loop_new(struct lx_loop **ret_loop, struct lx_err *err);
/* All handles made on it must have been freed before; runs the loop until their closing is done,
 * at most 5 s (a killed child that the kernel does not let go of). Tasks still posted do not run.
 */
void lx_loop_free(struct lx_loop *loop);

/* Runs until lx_loop_stop, or until nothing keeps it alive. Not to be called from a callback. */
void lx_loop_run(struct lx_loop *loop);
/* lx_loop_run returns at the end of this round; called before it, at once. */
void lx_loop_stop(struct lx_loop *loop);

/* Runs until *flag is true or `timeout_ms` passed; 0 or LX_E_TIMEOUT. lx_loop_stop does not end it.
 * Not to be called from a callback. For tests and short tools. */
int lx_loop_run_until(struct lx_loop *loop, const bool *flag, uint64_t timeout_ms,
                      struct lx_err *err);

/* The libuv loop, for rooms that hand sockets to it (net). Borrowed. */
struct uv_loop_s *lx_loop_uv(struct lx_loop *loop);

/*
 * The deferred queue. A task is embedded in its owner; posting twice before it ran is one run.
 * Tasks run after the current callback returned to the loop, in order of posting; one posted by a
 * running task runs in the next round, so I/O is not starved.
 */
struct lx_task {
    struct lx_list link;
    void (*fn)(void *arg);
    void *arg;
};

/* Prepares a task; it must not be posted. */
void lx_task_init(struct lx_task *task, void (*fn)(void *arg), void *arg);
/* Puts it at the end of the queue, unless it is in there already. Its owner cancels it before it is
 * freed; the task may be freed by its own `fn`. */
void lx_task_post(struct lx_loop *loop, struct lx_task *task);
/* Takes it out of the queue; harmless when it is not in there. */
void lx_task_cancel(struct lx_task *task);

/* Timers. The callback may stop, restart or free its own timer. */
struct lx_timer;
/* A timer that does not run yet; the caller frees it. */
struct lx_timer *lx_timer_new(struct lx_loop *loop, void (*fn)(void *arg), void *arg);
/* Fires after `delay_ms`, then every `repeat_ms` if that is not 0. Restarting replaces. A timer
 * that runs keeps the loop running. */
void lx_timer_start(struct lx_timer *timer, uint64_t delay_ms, uint64_t repeat_ms);
/* It does not fire any more; harmless when it does not run. */
void lx_timer_stop(struct lx_timer *timer);
/* Whether it will fire; while its callback runs, only if it repeats or was started anew. */
bool lx_timer_active(const struct lx_timer *timer);
/* Stops and frees it. NULL is accepted. */
void lx_timer_free(struct lx_timer *timer);

struct lx_signal;
/* `fn` is called when the process gets the signal, until the handle is freed; with the last one for
 * it the signal has its default effect again. Waiting does not keep the loop running. LX_E_IO for a
 * signal that cannot be caught. */
int lx_signal_new(struct lx_loop *loop, int signum, void (*fn)(void *arg, int signum), void *arg,
                  struct lx_signal **ret_signal, struct lx_err *err);
void lx_signal_free(struct lx_signal *signal);

struct lx_dir_watch;
/* `fn` is called from the loop when something in the directory changes, any number of
 * times, until the watch is freed; not for what lies deeper, nor where the kernel does not see the
 * change (network file systems), so it is a hint beside looking now and then. A symbolic link as
 * `path` is followed once. Watching does not keep the loop running. LX_E_NOT_FOUND, LX_E_IO. */
int lx_dir_watch_new(struct lx_loop *loop, const char *path, void (*fn)(void *arg), void *arg,
                     struct lx_dir_watch **ret_watch, struct lx_err *err);
void lx_dir_watch_free(struct lx_dir_watch *watch);

/* Making a file's data durable, without waiting for the disk. */
struct lx_sync;
/* fdatasync of what was written to `fd` so far; the descriptor may be closed meanwhile. `done`
 * comes once, deferred, err NULL on success, else LX_E_IO; the handle is gone when it returns, and
 * lx_sync_drop is not for it any more. LX_E_IO when it cannot be started. */
int lx_sync_start(struct lx_loop *loop, int fd, void (*done)(void *arg, const struct lx_err *err),
                  void *arg, struct lx_sync **ret_sync, struct lx_err *err);
/* `done` is not called any more; the disk's work goes on. NULL is accepted. */
void lx_sync_drop(struct lx_sync *sync);

/* Child processes. */
struct lx_child;

/* Strings and lists are borrowed during lx_child_spawn only. */
struct lx_child_opts {
    const char *const
        *argv; /* NULL-terminated; argv[0] is looked up in the child's PATH unless it has a '/' */
    const char *file; /* program to start when it differs from argv[0]; may be NULL */
    const char *const
        *env;        /* NULL-terminated NAME=value list: the whole environment; NULL inherits */
    const char *cwd; /* NULL inherits */
    const char *in;  /* bytes for standard input, copied; NULL: /dev/null */
    size_t in_len;
    int fd3;        /* a descriptor to pass as number 3, borrowed; -1 (or 0) for none */
    bool new_group; /* a process group of its own, so that lx_child_kill reaches all of it */
    /* Output as it comes, any bytes, valid during the callback; NULL inherits ours. Called from
     * the loop. */
    void (*on_out)(void *arg, const char *data, size_t len);
    void (*on_err)(void *arg, const char *data, size_t len);
    /* After the process was reaped AND both output pipes reached their end; if another process
     * keeps one open, 2 s after the reaping, and what it writes later is lost. Deferred. `signal`
     * is 0 for a normal exit. The child handle may be freed in it. */
    void (*on_exit)(void *arg, int64_t status, int signal);
    void *arg;
};

/* Starts a process; the caller frees the handle, before or after its end. LX_E_NOT_FOUND when there
 * is no such program or `cwd`, else LX_E_IO. */
int lx_child_spawn(struct lx_loop *loop, const struct lx_child_opts *opts,
                   struct lx_child **ret_child, struct lx_err *err);
/* Its process id; once it was reaped, the number may be another's. */
pid_t lx_child_pid(const struct lx_child *child);
/* Sends a signal to the process (to its group with new_group); harmless after its end. */
void lx_child_kill(struct lx_child *child, int signum);
/* Kills with SIGKILL if still running (what is left of its group, with new_group); the loop reaps
 * it. No callback comes any more. NULL is accepted. */
void lx_child_free(struct lx_child *child);

#endif
