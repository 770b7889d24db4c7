#include "lunexec/backoff.h"

#include <limits.h>
#include <math.h>

uint64_t lx_backoff_next(struct lx_backoff *backoff, struct lx_rand *rand)
{
    uint64_t ceiling = backoff->max_ms;
    if (backoff->attempt < 64 && backoff->base_ms <= UINT64_MAX >> backoff->attempt) {
        uint64_t grown = backoff->base_ms << backoff->attempt;
        if (grown < ceiling)
            ceiling = grown;
    }
    if (backoff->attempt < UINT_MAX)
        backoff->attempt++;
    uint64_t delay = lx_rand_below(rand, ceiling);
    return delay < backoff->base_ms ? backoff->base_ms : delay;
}

void lx_backoff_reset(struct lx_backoff *backoff)
{
    backoff->attempt = 0;
}

void lx_bucket_init(struct lx_bucket *bucket, double rate, double burst, uint64_t now_ms)
{
    *bucket = (struct lx_bucket){.rate = rate, .burst = burst, .level = burst, .at_ms = now_ms};
}

uint64_t lx_bucket_take(struct lx_bucket *bucket, uint64_t now_ms)
{
    if (now_ms > bucket->at_ms) {
        double gained = (double)(now_ms - bucket->at_ms) * bucket->rate / 1000.0;
        bucket->level = fmin(bucket->burst, bucket->level + gained);
        bucket->at_ms = now_ms;
    }
    if (bucket->level >= 1.0) {
        bucket->level -= 1.0;
        return 0;
    }
    double wait = ceil((1.0 - bucket->level) * 1000.0 / bucket->rate);
    if (!(bucket->rate > 0.0) || bucket->burst < 1.0 || wait >= 9e18)
        return UINT64_MAX;
    return wait < 1.0 ? 1 : (uint64_t)wait;
}
