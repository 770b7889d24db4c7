/*
 * Time. All durations and deadlines are milliseconds of the monotonic clock unless a name says ns.
 * Nothing here keeps state: any thread may call it.
 */
#ifndef LUNEXEC_CLOCK_H
#define LUNEXEC_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds of the monotonic clock, from a point in the past that means nothing: for differences
 * and deadlines only. */
uint64_t lx_now_ms(void);
/* The same clock in nanoseconds. */
uint64_t lx_now_ns(void);
/* The time of day (UTC, since 1970), which may jump: for what people and peers read. */
struct timespec lx_wall(void);

#define LX_RFC3339_SIZE 40
/* "2020-04-20T15:29:17.123456789Z" into `out`, NUL-terminated: UTC, up to nine digits of fraction
 * without trailing zeros, none for a whole second, as Go marshals time.Time. A time that has no
 * calendar date is written as 1970-01-01T00:00:00Z. */
void lx_rfc3339(struct timespec when, char out[LX_RFC3339_SIZE]);

/* Parses `len` bytes of RFC 3339 with optional fraction (digits beyond nanoseconds are dropped) and
 * any zone, upper case T and Z, no leap seconds; 0, or -1 with the result untouched. */
int lx_rfc3339_parse(const char *text, size_t len, struct timespec *ret_when);

#endif
