/*
 * What the setup container of a single pod puts into the workspace: the job's files, the scripts of
 * its steps, the skip check. Small text travels in the container's argument; what is larger, or
 * what no argument can carry, in Secrets that only this container mounts.
 */
#ifndef LX_JOB_CARGO_H
#define LX_JOB_CARGO_H

#include "lunexec/buf.h"
#include "lunexec/json.h"
#include "lunexec/queue.h"

struct lx_cargo;

/* Collects and decides. The job's files are borrowed; one that was not fetched is as an empty one,
 * for whoever needs names only.
 * LX_E_INVALID for a path that leads outside of the workspace, LX_E_LIMIT naming size and limit. */
int lx_cargo_new(const struct lx_job *job, struct lx_cargo **ret_cargo, struct lx_err *err);
void lx_cargo_free(struct lx_cargo *cargo);
LX_DEFINE_AUTO(cargo, struct lx_cargo *, lx_cargo_free)

/* Appends the commands that put everything in its place, each ending with "; ". */
int lx_cargo_commands(const struct lx_cargo *cargo, struct lx_buf *out, struct lx_err *err);

/* How many Secrets it takes; 0 when the commands carry everything. */
size_t lx_cargo_n_secrets(const struct lx_cargo *cargo);

/* "<job_name>-files-<index>". free(). */
char *lx_cargo_secret_name(const char *job_name, size_t index);

/* The manifest of one of the Secrets, without labels, owned by the Job. The caller owns it. */
json_t *lx_cargo_secret(const struct lx_cargo *cargo, size_t index, const char *job_name,
                        const char *ns, const char *job_uid);

/* Adds the volumes to a completed Job manifest, mounted read-only into `container` alone. */
int lx_cargo_attach(const struct lx_cargo *cargo, const char *job_name, const char *container,
                    json_t *manifest, struct lx_err *err);

#endif
