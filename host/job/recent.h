/*
 * The tasks that were planned last, for trying a new policy on. They hold no secrets: what a policy
 * gets to see has none.
 */
#ifndef LX_JOB_RECENT_H
#define LX_JOB_RECENT_H

#include "lunexec/json.h"

struct lx_recent;

/* Keeps nothing yet. The caller frees it. */
struct lx_recent *lx_recent_new(void);
void lx_recent_free(struct lx_recent *recent);

/* Keeps the arguments of job() and admit() (borrowed), in place of those of the same queue and
 * repository if there are any. At most 16; one with more than 256 containers is left out. */
void lx_recent_add(struct lx_recent *recent, const json_t *task, const json_t *job);

/* An array of {"task": ..., "job": ...}, newest first. The caller owns it. */
json_t *lx_recent_all(const struct lx_recent *recent);

#endif
