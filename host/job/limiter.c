#include "lunexec/limiter.h"

#include "lunexec/err.h"

void lx_limiter_init(struct lx_limiter *limiter, size_t limit)
{
    *limiter = (struct lx_limiter){.limit = limit};
}

bool lx_limiter_take(struct lx_limiter *limiter)
{
    if (limiter->used >= limiter->limit)
        return false;
    limiter->used++;
    if (limiter->used > limiter->peak)
        limiter->peak = limiter->used;
    return true;
}

void lx_limiter_give(struct lx_limiter *limiter)
{
    lx_assert(limiter->used > 0);
    limiter->used--;
}
