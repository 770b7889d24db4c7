/*
 * The policy: Lua scripts that run in a killable child process, a small program of its own
 * (lunexec-policy, installed beside lunexec). Values in, values out, over a socket; the child opens
 * no file. Everything, callbacks too, on the loop's thread.
 */
#ifndef LUNEXEC_POLICY_H
#define LUNEXEC_POLICY_H

#include "lunexec/err.h"
#include "lunexec/json.h"
#include "lunexec/log.h"
#include "lunexec/loop.h"

/* ---- The bundle: all scripts, read into memory ---- */

struct lx_bundle;

#define LX_BUNDLE_HASH_SIZE 17
/* Reads *.lua of `policy_dir` (flat), of `scripts_dir` those that policy_dir has not (NULL: none),
 * and of `library_dir`/lunexec. Files whose names begin with '.' and `*_spec.lua` are left out. The
 * caller frees *ret_bundle. LX_E_INVALID when policy_dir has no policy.lua, naming it, or something
 * is no regular file; LX_E_LIMIT beyond 1 MiB in all or 256 files a directory; LX_E_IO or
 * LX_E_NOT_FOUND, naming the path, for what cannot be read. */
int lx_bundle_load(const char *policy_dir, const char *scripts_dir, const char *library_dir,
                   struct lx_bundle **ret_bundle, struct lx_err *err);
void lx_bundle_free(struct lx_bundle *bundle);
/* Puts `text` before the source of a module ("policy": policy.lua); without a line feed in it, line
 * numbers stay as they are; the hash changes. LX_E_NOT_FOUND when there is no such module,
 * LX_E_LIMIT, LX_E_IO; the bundle is then as it was. */
int lx_bundle_prefix(struct lx_bundle *bundle, const char *module, const char *text,
                     struct lx_err *err);
/* 16 hex digits over names and contents; the same for the same scripts. No proof against forgery.
 * Borrowed until the bundle is changed or freed. */
const char *lx_bundle_hash(const struct lx_bundle *bundle);

/* Follows a directory: tells of each state of its scripts that differs from the one told before,
 * within 2 s of the last change. A directory that is being written to is waited for until it has
 * been left alone for a while, and what changed while it was read is read again, so half of a
 * change is not taken for the whole, be it made file by file or, as for a mounted ConfigMap, by
 * swapping a symbolic link. Uses inotify, and looks by itself every second where that does not
 * reach. */
struct lx_bundle_watch;

struct lx_bundle_watch_opts {
    struct lx_loop *loop;
    const char *policy_dir, *scripts_dir, *library_dir; /* as for lx_bundle_load; copied */
    const char *hash;  /* of the state that is known already; NULL: none */
    unsigned poll_ms;  /* [1000] */
    unsigned quiet_ms; /* [250] */
    /* From the loop. `bundle` is the callback's to free, err NULL then; NULL with *err: it cannot
     * be read. Not to free the watch in it. */
    void (*on_change)(void *arg, struct lx_bundle *bundle, const struct lx_err *err);
    void *arg;
};

/* Begins to follow; a directory that is missing is an error to tell, not one of this call. Looks at
 * once, but tells later. The caller frees the watch. */
struct lx_bundle_watch *lx_bundle_watch_new(const struct lx_bundle_watch_opts *opts);
void lx_bundle_watch_free(struct lx_bundle_watch *watch);

/* ---- The pool: one child, killed on its deadline, respawned with backoff ---- */

struct lx_policy;
struct lx_policy_call;

/* Copied; zero values mean the default in brackets. */
struct lx_policy_opts {
    const char *exe;          /* the child's program; NULL: lunexec-policy beside our own binary */
    unsigned call_timeout_ms; /* [1000], by the clock on the wall: then the child is killed */
    unsigned call_cpu_ms;     /* of processor time: then a script is stopped with an error that
                                 says where it was [half of call_timeout_ms] */
    unsigned load_timeout_ms; /* [10000], by the same clock, the start of the child included */
    size_t memory_max;        /* of the Lua state [32 MiB] */
};

/* Starts a child with the bundle, which it takes over. `opts` may be NULL: all defaults. `ready` is
 * called once, deferred: err NULL, or why the bundle cannot be used (LX_E_REFUSED with file and
 * line: the bundle is at fault; LX_E_TIMEOUT; others: the child does not start). Calls made before
 * are kept until then; after a failure every call fails with the same error. Always 0, with one
 * reference in *ret_policy: what goes wrong comes through `ready`. `loop` and `log` (may be NULL)
 * outlive the policy. */
int lx_policy_new(struct lx_loop *loop, struct lx_bundle *bundle, const struct lx_policy_opts *opts,
                  struct lx_log *log, void (*ready)(void *arg, const struct lx_err *err), void *arg,
                  struct lx_policy **ret_policy, struct lx_err *err);
/* Another reference to the same policy; returns it. */
struct lx_policy *lx_policy_ref(struct lx_policy *policy);
/* Gives a reference back. With the last one the child is killed, and calls still open are cancelled
 * without a callback. NULL is accepted. */
void lx_policy_free(struct lx_policy *policy);
/* The hash of its bundle. Borrowed from the policy. */
const char *lx_policy_hash(const struct lx_policy *policy);
/* Array of the names of all functions in the policy's table; NULL before it is ready. Borrowed
 * until control returns to the loop. */
const json_t *lx_policy_functions(const struct lx_policy *policy);
/* The child's process id, 0 while there is none. */
pid_t lx_policy_child_pid(const struct lx_policy *policy);

/* The whole text of the last error that a script raised, with its traceback in lines, at most
 * 4 KiB; "" if there was none. For a call's callback: err->text is its first line. Borrowed until
 * the next callback. */
const char *lx_policy_error_text(const struct lx_policy *policy);

/* For a call's callback: the nanoseconds for which the function itself ran, without the way to the
 * child and back; 0 if it failed. */
uint64_t lx_policy_call_ns(const struct lx_policy *policy);

/* Calls `function` of the policy with the values of the array `args` (borrowed during this call
 * only). The callback comes once, deferred, unless cancelled:
 *   err NULL: `results` is an array of all values returned (borrowed);
 *   LX_E_REFUSED: a Lua error or a limit inside the child, with file, line and traceback;
 *   LX_E_TIMEOUT: the deadline passed and the child was killed;
 *   LX_E_IO: the child died twice under this call, or does not start. A call in flight when the
 *   child dies is tried once more on a fresh one;
 *   LX_E_LIMIT: the arguments are too large, or more than 1,024 calls wait.
 * `results` is never NULL: without an answer an empty array. `defined` is false when the policy has
 * no such function. The call is the policy's, and gone when its callback returns. */
struct lx_policy_call *
lx_policy_call(struct lx_policy *policy, const char *function, const json_t *args,
               void (*cb)(void *arg, bool defined, json_t *results, const struct lx_err *err),
               void *arg);
/* Ends the call: its callback is not called any more. What the child does for it goes on, and its
 * answer is dropped. Not from within its own callback. NULL is accepted. */
void lx_policy_cancel(struct lx_policy_call *call);

/* The child's side, in the library lx_policy_child: serves calls on the socket `fd` until it
 * closes. Called by the main of lunexec-policy and of tests; returns the exit status. */
int lx_policy_child_main(int fd);

#endif
