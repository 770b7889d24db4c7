/*
 * Time. All durations and deadlines are milliseconds of the monotonic clock unless a name says ns.
 */
#ifndef LUNEXEC_CLOCK_H
#define LUNEXEC_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t lx_now_ms(void); /* monotonic */
uint64_t lx_now_ns(void); /* monotonic */
struct timespec lx_wall(void);

#define LX_RFC3339_SIZE 40
/* "2020-04-20T15:29:17.123456789Z" into `out`: UTC, up to nine digits of fraction without trailing
 * zeros, none for a whole second, as Go marshals time.Time. */
void lx_rfc3339(struct timespec when, char out[LX_RFC3339_SIZE]);

/* Parses RFC 3339 with optional fraction (digits beyond nanoseconds are dropped) and any
 * zone, upper case T and Z, no leap seconds; 0, or -1 with the result untouched. */
int lx_rfc3339_parse(const char *text, size_t len, struct timespec *ret_when);

#endif
