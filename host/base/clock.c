#include "lunexec/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND 1000000000L

uint64_t lx_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * (uint64_t)NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t lx_now_ms(void)
{
    return lx_now_ns() / 1000000u;
}

struct timespec lx_wall(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

void lx_rfc3339(struct timespec when, char out[LX_RFC3339_SIZE])
{
    struct tm tm;
    if (!gmtime_r(&when.tv_sec, &tm)) {
        when = (struct timespec){0};
        memset(&tm, 0, sizeof(tm));
        tm.tm_year = 70;
        tm.tm_mday = 1;
    }
    size_t len = strftime(out, LX_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (tm.tm_year < 1000 - 1900 && tm.tm_year >= -1900) {
        int n = snprintf(out, LX_RFC3339_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d",
                         (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
                         tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
        len = (size_t)n;
    }
    if (when.tv_nsec > 0 && when.tv_nsec < NS_PER_SECOND) {
        len += (size_t)snprintf(out + len, LX_RFC3339_SIZE - len, ".%09ld", when.tv_nsec);
        while (out[len - 1] == '0')
            len--;
    }
    out[len] = 'Z';
    out[len + 1] = '\0';
}

/* Reads exactly `digits` digits at *at. */
static bool number(const char **at, const char *end, int digits, int *ret_value)
{
    int value = 0;
    if (end - *at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = *(*at)++;
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *ret_value = value;
    return true;
}

static bool literal(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    (*at)++;
    return true;
}

/* ".5" and longer; digits beyond nanoseconds are dropped. Nothing there is fine. */
static bool fraction(const char **at, const char *end, long *ret_ns)
{
    *ret_ns = 0;
    if (!literal(at, end, '.'))
        return true;
    const char *first = *at;
    long unit = NS_PER_SECOND / 10;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        *ret_ns += (**at - '0') * unit;
    return *at > first;
}

/* "Z" or "+hh:mm", up to the end. */
static bool zone(const char **at, const char *end, long *ret_seconds)
{
    int hours, minutes;
    *ret_seconds = 0;
    if (literal(at, end, 'Z'))
        return *at == end;
    long sign = literal(at, end, '-') ? -1 : 1;
    if (sign > 0 && !literal(at, end, '+'))
        return false;
    if (!number(at, end, 2, &hours) || !literal(at, end, ':') || !number(at, end, 2, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600L + minutes * 60L);
    return hours < 24 && minutes < 60 && *at == end;
}

static int days_of_month(int year, int month)
{
    if (month == 2)
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

int lx_rfc3339_parse(const char *text, size_t len, struct timespec *ret_when)
{
    const char *at = text, *end = text + len;
    int year, month;
    long ns, offset;
    struct tm tm = {0};
    if (!number(&at, end, 4, &year) || !literal(&at, end, '-') || !number(&at, end, 2, &month) ||
        !literal(&at, end, '-') || !number(&at, end, 2, &tm.tm_mday) || !literal(&at, end, 'T') ||
        !number(&at, end, 2, &tm.tm_hour) || !literal(&at, end, ':') ||
        !number(&at, end, 2, &tm.tm_min) || !literal(&at, end, ':') ||
        !number(&at, end, 2, &tm.tm_sec) || !fraction(&at, end, &ns) || !zone(&at, end, &offset))
        return -1;
    if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > days_of_month(year, month) ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
        return -1;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *ret_when = (struct timespec){.tv_sec = timegm(&tm) - offset, .tv_nsec = ns};
    return 0;
}
