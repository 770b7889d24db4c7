/*
 * Files that the executor writes into a workspace itself.
 */
#ifndef LX_JOB_WORKSPACE_FILES_H
#define LX_JOB_WORKSPACE_FILES_H

#include "job/entries.h"
#include "lunexec/queue.h"

/* Writes the job's files and the scripts of its steps below `dir`, one line each in the entry
 * `setup.fs.extras`, which is finished. Follows no symbolic link below `dir`: what is checked out
 * there may hold any. */
int lx_workspace_write(const char *dir, const struct lx_job *job, struct lx_entries *entries,
                       struct lx_err *err);

#endif
