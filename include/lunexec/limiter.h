/*
 * The concurrency limiter: how many jobs may be underway at once.
 */
#ifndef LUNEXEC_LIMITER_H
#define LUNEXEC_LIMITER_H

#include <stdbool.h>
#include <stddef.h>

/* Slots there are, taken now, and taken at once at most so far. */
struct lx_limiter {
    size_t limit, used, peak;
};

/* `limit` slots, all free. */
void lx_limiter_init(struct lx_limiter *limiter, size_t limit);

/* Takes a slot; false when all are taken. */
bool lx_limiter_take(struct lx_limiter *limiter);

/* Takes one even if that is one too many: the job runs already. */
void lx_limiter_force(struct lx_limiter *limiter);

/* Gives one back; it must have been taken. */
void lx_limiter_give(struct lx_limiter *limiter);

#endif
