/*
 * Exponential backoff with full jitter, and a token bucket.
 */
#ifndef LUNEXEC_BACKOFF_H
#define LUNEXEC_BACKOFF_H

#include "lunexec/rand.h"

#include <stdbool.h>
#include <stdint.h>

/* The first two are the owner's to set; `attempt` begins with 0. */
struct lx_backoff {
    uint64_t base_ms; /* also the floor of every delay */
    uint64_t max_ms;  /* of the range that a delay is drawn from */
    unsigned attempt; /* how many delays were given since the last reset */
};

/* The next delay in milliseconds: uniform in [0, min(max, base * 2^attempt)), at least base
 * (contract 1.1). Counts the attempt. */
uint64_t lx_backoff_next(struct lx_backoff *backoff, struct lx_rand *rand);
/* The next delay is a first one again: after a success. */
void lx_backoff_reset(struct lx_backoff *backoff);

/* Admits `rate` events a second on average and `burst` at once. */
struct lx_bucket {
    double rate, burst, level;
    uint64_t at_ms;
};

/* A full bucket; `now_ms` here and below is lx_now_ms. */
void lx_bucket_init(struct lx_bucket *bucket, double rate, double burst, uint64_t now_ms);
/* Takes one token: 0 if there was one, else, with nothing taken, the milliseconds until there will
 * be one; UINT64_MAX when there never will be (rate 0, or burst under 1). */
uint64_t lx_bucket_take(struct lx_bucket *bucket, uint64_t now_ms);

#endif
