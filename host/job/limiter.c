#include "lunexec/limiter.h"

#include "lunexec/err.h"

void lx_limiter_init(struct lx_limiter *limiter, size_t limit)
{
    *limiter = (struct lx_limiter){.limit = limit};
}

void lx_limiter_force(struct lx_limiter *limiter)
{
    limiter->used++;
    if (limiter->used > limiter->peak)
        limiter->peak = limiter->used;
}

bool lx_limiter_take(struct lx_limiter *limiter)
{
    if (limiter->used >= limiter->limit)
        return false;
    lx_limiter_force(limiter);
    return true;
}

void lx_limiter_give(struct lx_limiter *limiter)
{
    lx_assert(limiter->used > 0);
    limiter->used--;
}
