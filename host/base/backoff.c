#include "lunexec/backoff.h"

uint64_t lx_backoff_next(struct lx_backoff *backoff, struct lx_rand *rand)
{
    unsigned shift = backoff->attempt < 40 ? backoff->attempt : 40;
    uint64_t bound = backoff->base_ms << shift;
    if (bound >> shift != backoff->base_ms || bound > backoff->max_ms)
        bound = backoff->max_ms;
    backoff->attempt++;
    uint64_t delay = lx_rand_below(rand, bound);
    return delay < backoff->base_ms ? backoff->base_ms : delay;
}

void lx_backoff_reset(struct lx_backoff *backoff)
{
    backoff->attempt = 0;
}

void lx_tokens_init(struct lx_tokens *tokens, double rate, double burst, uint64_t now_ms)
{
    *tokens = (struct lx_tokens){.rate = rate, .burst = burst, .level = burst, .at_ms = now_ms};
}

uint64_t lx_tokens_take(struct lx_tokens *tokens, uint64_t now_ms)
{
    tokens->level += (double)(now_ms - tokens->at_ms) * tokens->rate / 1000;
    if (tokens->level > tokens->burst)
        tokens->level = tokens->burst;
    tokens->at_ms = now_ms;
    if (tokens->level >= 1) {
        tokens->level -= 1;
        return 0;
    }
    return (uint64_t)((1 - tokens->level) * 1000 / tokens->rate) + 1;
}
