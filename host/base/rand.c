#include "lunexec/rand.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

/* splitmix64: every state is good, one addition and three mixes a number. */
static uint64_t next(struct lx_rand *rand)
{
    uint64_t z = rand->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void lx_rand_init(struct lx_rand *rand, uint64_t seed)
{
    rand->state = seed;
    if (seed == 0 && lx_rand_bytes(&rand->state, sizeof rand->state, NULL) < 0)
        rand->state = (uint64_t)(uintptr_t)rand;
}

uint64_t lx_rand_below(struct lx_rand *rand, uint64_t bound)
{
    return bound ? next(rand) % bound : 0;
}

int lx_rand_bytes(void *out, size_t len, struct lx_err *err)
{
    char *at = out;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lx_fail_errno(err, errno, "getrandom");
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int lx_uuid4(char out[LX_UUID_SIZE], struct lx_err *err)
{
    unsigned char b[16];
    if (lx_rand_bytes(b, sizeof b, err) < 0)
        return -1;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, LX_UUID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return 0;
}
