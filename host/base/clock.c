#include "lunexec/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

uint64_t lx_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t lx_now_ms(void)
{
    return lx_now_ns() / 1000000u;
}

struct timespec lx_wall(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts;
}

void lx_rfc3339(struct timespec when, char out[LX_RFC3339_SIZE])
{
    struct tm tm = {0};
    gmtime_r(&when.tv_sec, &tm);
    size_t len = strftime(out, LX_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (when.tv_nsec > 0) {
        char fraction[16];
        int n = snprintf(fraction, sizeof fraction, ".%09ld", when.tv_nsec);
        while (n > 0 && fraction[n - 1] == '0')
            n--;
        memcpy(out + len, fraction, (size_t)n);
        len += (size_t)n;
    }
    memcpy(out + len, "Z", 2);
}

/* `n` digits at *at as a number; -1 if there are others. */
static int digits(const char **at, const char *end, int n, long *ret_value)
{
    long value = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (*at >= end || !isdigit((unsigned char)**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    *ret_value = value;
    return 0;
}

static int literal(const char **at, const char *end, const char *allowed)
{
    if (*at >= end || !**at || !strchr(allowed, **at))
        return -1;
    (*at)++;
    return 0;
}

static long fraction_ns(const char **at, const char *end)
{
    long ns = 0, unit = 100000000;
    for (; *at < end && isdigit((unsigned char)**at); (*at)++) {
        ns += (**at - '0') * unit;
        unit /= 10;
    }
    return ns;
}

static int zone(const char **at, const char *end, long *ret_seconds)
{
    long hours, minutes;
    if (*at < end && (**at == 'Z' || **at == 'z')) {
        (*at)++;
        *ret_seconds = 0;
        return 0;
    }
    long sign = *at < end && **at == '-' ? -1 : 1;
    if (literal(at, end, "+-") < 0 || digits(at, end, 2, &hours) < 0 || literal(at, end, ":") < 0 ||
        digits(at, end, 2, &minutes) < 0 || hours > 23 || minutes > 59)
        return -1;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

int lx_rfc3339_parse(const char *text, size_t len, struct timespec *ret_when)
{
    const char *at = text, *end = text + len;
    long y, mo, d, h, mi, s, ns = 0, offset;
    if (digits(&at, end, 4, &y) < 0 || literal(&at, end, "-") < 0 || digits(&at, end, 2, &mo) < 0 ||
        literal(&at, end, "-") < 0 || digits(&at, end, 2, &d) < 0 || literal(&at, end, "Tt ") < 0 ||
        digits(&at, end, 2, &h) < 0 || literal(&at, end, ":") < 0 || digits(&at, end, 2, &mi) < 0 ||
        literal(&at, end, ":") < 0 || digits(&at, end, 2, &s) < 0)
        return -1;
    if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60)
        return -1;
    if (at < end && *at == '.') {
        at++;
        if (at >= end || !isdigit((unsigned char)*at))
            return -1;
        ns = fraction_ns(&at, end);
    }
    if (zone(&at, end, &offset) < 0 || at != end)
        return -1;
    struct tm tm = {
        .tm_year = (int)y - 1900,
        .tm_mon = (int)mo - 1,
        .tm_mday = (int)d,
        .tm_hour = (int)h,
        .tm_min = (int)mi,
        .tm_sec = (int)s,
    };
    *ret_when = (struct timespec){.tv_sec = timegm(&tm) - offset, .tv_nsec = ns};
    return 0;
}
