/*
 * A run in the journal: what a later process needs to go on with it.
 */
#ifndef LX_JOB_RECORD_H
#define LX_JOB_RECORD_H

#include "lunexec/json.h"

struct lx_run;

/* Each does nothing without a journal. */

/* Keeps the job as the server gave it; its payload is let go of. */
void lx_record_job(struct lx_run *run);
/* Keeps how far the run is, in one record. */
void lx_record_run(const struct lx_run *run);
/* The run has ended: nothing of it is kept. */
void lx_record_forget(struct lx_run *run);

/* Fills a run that was just made from what lx_record_run kept (NULL: nothing). */
void lx_record_read(struct lx_run *run, const json_t *value);

#endif
