/*
 * Jobs of an earlier process with the same state directory: taken up where they were.
 */
#ifndef LX_JOB_ADOPT_H
#define LX_JOB_ADOPT_H

struct lx_executor;

/* Makes a run, in ADOPTING, of each job in the journal. */
void lx_adopt_all(struct lx_executor *ex);

/* Puts all runs into the journal anew, and removes what no run has. */
void lx_adopt_rewrite(struct lx_executor *ex);

/* The pods that there are have become known, or a job has: runs that wait for it go on. */
void lx_adopt_go_on(struct lx_executor *ex);

#endif
