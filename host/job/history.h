/*
 * What earlier jobs of the same repository used: a short memory, gone with the process.
 */
#ifndef LX_JOB_HISTORY_H
#define LX_JOB_HISTORY_H

#include "lunexec/json.h"

struct lx_history;

struct lx_past_job {
    int64_t finished_at; /* seconds since 1970 */
    int64_t seconds;     /* from its dequeue on */
    const char *failure; /* name of the failure's kind; NULL: it succeeded */
    json_t *cost;        /* what admit() gave; borrowed, NULL for nothing */
};

/* Remembers nothing yet. The caller frees it. */
struct lx_history *lx_history_new(void);
void lx_history_free(struct lx_history *history);

/* Remembers the last few jobs of each queue and repository, and the repositories of the last few
 * hundred jobs. */
void lx_history_add(struct lx_history *history, const char *queue, const char *repository,
                    const struct lx_past_job *job);

/* An array of lunexec.PastJob (lua/lunexec/types.lua), newest first. The caller owns it. */
json_t *lx_history_of(const struct lx_history *history, const char *queue, const char *repository);

#endif
