/*
 * The sweep: at the start and every few minutes, what an executor of this name left in the cluster
 * is removed: Jobs of no job that runs, with what belongs to them, and objects that could not be
 * deleted when their job ended.
 */
#ifndef LX_JOB_SWEEP_H
#define LX_JOB_SWEEP_H

#include "job/objects.h"

struct lx_executor;
struct lx_run;
struct lx_sweep;

/* Sends nothing before lx_sweep_start. */
struct lx_sweep *lx_sweep_new(struct lx_executor *ex);
void lx_sweep_free(struct lx_sweep *sweep);

/* Once the jobs of an earlier process have been taken up. */
void lx_sweep_start(struct lx_sweep *sweep);
/* No further call; for a process that is about to end. */
void lx_sweep_stop(struct lx_sweep *sweep);

/* ---- Objects that could not be deleted; sweep_left.c ---- */

struct lx_left {
    struct lx_list link;
    char *job_uid; /* of the executor API; of one that was found, its Job's name */
    enum lx_object_role role;
    enum lx_kube_kind kind;
    char *name;
    char *uid; /* NULL: unknown; then */
    char *tag; /* of the run that made it; NULL or "": unknown, too */
};

/* The run ends without having deleted this one: each sweep tries again, and so does a later process
 * with the same journal. */
void lx_left_add(struct lx_executor *ex, const struct lx_run *run, const struct lx_object *object);
/* The same of what may belong to a Job named `base` that was found in the cluster, and is gone now.
 * NULL: it is known already. The executor owns it. */
struct lx_left *lx_left_found(struct lx_executor *ex, const char *base, enum lx_object_role role,
                              const char *name, const char *tag);
/* It is gone, or was never ours. Freed. */
void lx_left_drop(struct lx_executor *ex, struct lx_left *left);
void lx_left_free(struct lx_list *list);

/* The journal's keys: this, the job, "/". */
#define LX_LEFT_PREFIX "left/"
/* Brings back what an earlier process kept in the journal, of which there is one. */
void lx_left_restore(struct lx_executor *ex);
/* Puts all into the journal anew. */
void lx_left_rewrite(struct lx_executor *ex);

#endif
