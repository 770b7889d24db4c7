/*
 * The state directory (LUNEXEC_STATE_DIR): one process at a time has it, with the executor's name
 * and the journal of its jobs.
 */
#ifndef LX_APP_STATE_H
#define LX_APP_STATE_H

#include "lunexec/journal.h"
#include "lunexec/log.h"
#include "lunexec/loop.h"

struct lx_state;

struct lx_state_opts {
    struct lx_loop *loop;
    struct lx_log *log;
    const char *dir;
    const char *new_name; /* the executor's name, if the directory has none yet */
    /* The directory is ours; or err says why it cannot be used. Deferred, once. */
    void (*ready)(void *arg, const struct lx_err *err);
    /* Another process waits for the directory. Once. */
    void (*asked)(void *arg);
    void *arg;
};

/* Waits for the directory; a process that has it is asked to hand over. Strings are borrowed. */
struct lx_state *lx_state_new(const struct lx_state_opts *opts);
/* Lets go of the directory. */
void lx_state_free(struct lx_state *state);

/* The executor's name that the directory `dir` has, whoever has the directory; NULL: none that can
 * be read. free(). */
char *lx_state_peek_name(const char *dir);

/* The executor's name, once ready without an error. Owned by the state. */
const char *lx_state_name(const struct lx_state *state);
/* The journal of its jobs, likewise. */
struct lx_journal *lx_state_journal(const struct lx_state *state);

#endif
