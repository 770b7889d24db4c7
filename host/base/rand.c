#include "lunexec/rand.h"

#include "lunexec/clock.h"

#include <errno.h>
#include <sys/random.h>

void lx_rand_init(struct lx_rand *rand, uint64_t seed)
{
    if (seed == 0 && lx_rand_bytes(&seed, sizeof(seed), NULL) < 0)
        seed = lx_now_ns();
    rand->state = seed;
}

/* SplitMix64. */
static uint64_t next(struct lx_rand *rand)
{
    uint64_t z = rand->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t lx_rand_below(struct lx_rand *rand, uint64_t bound)
{
    if (bound == 0)
        return 0;
    /* Numbers under 2^64 mod bound would favour small remainders. */
    uint64_t skip = (0 - bound) % bound;
    uint64_t value = next(rand);
    while (value < skip)
        value = next(rand);
    return value % bound;
}

int lx_rand_bytes(void *out, size_t len, struct lx_err *err)
{
    unsigned char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return lx_fail_errno(err, errno, "getrandom");
        }
        at += got;
        len -= (size_t)got;
    }
    return 0;
}

int lx_uuid4(char out[LX_UUID_SIZE], struct lx_err *err)
{
    unsigned char b[16];
    if (lx_rand_bytes(b, sizeof(b), err) < 0)
        return -1;
    b[6] = (unsigned char)(0x40u | (b[6] & 0x0fu));
    b[8] = (unsigned char)(0x80u | (b[8] & 0x3fu));
    static const char hex[] = "0123456789abcdef";
    char *at = out;
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex[b[i] >> 4];
        *at++ = hex[b[i] & 0x0fu];
    }
    *at = '\0';
    return 0;
}
