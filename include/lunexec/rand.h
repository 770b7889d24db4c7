/*
 * Randomness: jitter from a seeded generator (not for secrets), and bytes from the kernel.
 */
#ifndef LUNEXEC_RAND_H
#define LUNEXEC_RAND_H

#include "lunexec/err.h"

#include <stddef.h>
#include <stdint.h>

struct lx_rand {
    uint64_t state;
};

/* Seeds from the kernel (seed 0; the clock where that fails) or with the given number, for tests
 * that need the same again. */
void lx_rand_init(struct lx_rand *rand, uint64_t seed);

/* Uniform in [0, bound); bound 0 gives 0. */
uint64_t lx_rand_below(struct lx_rand *rand, uint64_t bound);

/* `len` bytes from getrandom(2), good enough for secrets. LX_E_IO; `out` may then hold a part. */
int lx_rand_bytes(void *out, size_t len, struct lx_err *err);

#define LX_UUID_SIZE 37
/* A random (version 4) UUID in lower case, NUL-terminated. LX_E_IO as above. */
int lx_uuid4(char out[LX_UUID_SIZE], struct lx_err *err);

#endif
