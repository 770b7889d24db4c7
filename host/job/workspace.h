/*
 * The workspace of a job on a volume that the executor shares with its pods: cloned, filled, looked
 * at between steps and removed by the executor itself (contract 5.1, 8.1).
 */
#ifndef LX_JOB_WORKSPACE_H
#define LX_JOB_WORKSPACE_H

#include "job/entries.h"
#include "lunexec/executor.h"

struct lx_workspace;

/* Names the directory, touches nothing. What is given is borrowed. */
struct lx_workspace *lx_workspace_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                                      struct lx_entries *entries);
void lx_workspace_free(struct lx_workspace *workspace);

/* Its directory. Borrowed from it. */
const char *lx_workspace_dir(const struct lx_workspace *workspace);

/* Makes the directory anew, clones the repository, writes files and scripts; a log entry for each
 * command. `done` comes once, deferred, unless cancelled; err NULL on success. */
void lx_workspace_prepare(struct lx_workspace *workspace,
                          void (*done)(void *arg, const struct lx_err *err), void *arg);

/* No other executor has made it anew since. */
bool lx_workspace_is_ours(const struct lx_workspace *workspace);
/* Removes the directory, unless another executor has done so. `done` as above. */
void lx_workspace_remove(struct lx_workspace *workspace,
                         void (*done)(void *arg, const struct lx_err *err), void *arg);
/* Instead: it stays, and is nobody's. */
void lx_workspace_leave(const struct lx_workspace *workspace);

/* Something is underway. */
bool lx_workspace_busy(const struct lx_workspace *workspace);
/* Ends what is underway; no callback comes any more. Its log entries are finished. */
void lx_workspace_cancel(struct lx_workspace *workspace);

/* Reads the skip file, if a step has left one: *ret_next is the key of the step to go on with, NULL
 * for no skipping. free() it. */
int lx_workspace_skip(const struct lx_workspace *workspace, char **ret_next, struct lx_err *err);
/* Removes it. */
void lx_workspace_skip_done(const struct lx_workspace *workspace);

#endif
