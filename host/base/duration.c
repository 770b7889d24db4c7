#include "lunexec/parse.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t ns;
};

static const struct unit units[] = {
    {"ns", 1u},
    {"us", 1000u},
    {"\xC2\xB5s", 1000u}, /* U+00B5 micro sign */
    {"\xCE\xBCs", 1000u}, /* U+03BC Greek mu */
    {"ms", 1000000u},
    {"s", 1000000000u},
    {"m", UINT64_C(60) * 1000000000u},
    {"h", UINT64_C(3600) * 1000000000u},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The unit at *at, which reaches up to the next digit, dot or the end. */
static const struct unit *unit_at(const char **at)
{
    size_t len = 0;
    while ((*at)[len] && (*at)[len] != '.' && !is_digit((*at)[len]))
        len++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, *at, len) == 0) {
            *at += len;
            return &units[i];
        }
    }
    return NULL;
}

/* One "1.5h" at *at, in nanoseconds. */
static int term(const char **at, uint64_t *ret_ns)
{
    uint64_t whole = 0;
    uint64_t part = 0;
    double scale = 1;
    const char *first = *at;
    for (; is_digit(**at); (*at)++) {
        if (__builtin_mul_overflow(whole, 10u, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(**at - '0'), &whole))
            return -1;
    }
    bool any = *at > first;
    if (**at == '.') {
        (*at)++;
        for (; is_digit(**at); (*at)++, any = true) {
            if (part <= INT64_MAX / 10 - 1) {
                part = part * 10 + (uint64_t)(**at - '0');
                scale *= 10;
            }
        }
    }
    const struct unit *unit = any ? unit_at(at) : NULL;
    if (!unit || __builtin_mul_overflow(whole, unit->ns, &whole) ||
        __builtin_add_overflow(whole, (uint64_t)((double)part * ((double)unit->ns / scale)),
                               &whole))
        return -1;
    *ret_ns = whole;
    return 0;
}

int lx_parse_duration_ms(const char *text, int64_t *ret_ms)
{
    if (!text)
        return -1;
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    if (!*text)
        return -1;
    uint64_t total = 0;
    while (*text) {
        uint64_t ns;
        if (term(&text, &ns) < 0 || __builtin_add_overflow(total, ns, &total))
            return -1;
    }
    if (total > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return -1;
    int64_t ms = (int64_t)(total / 1000000u);
    *ret_ms = negative ? -ms : ms;
    return 0;
}

void lx_format_duration(int64_t ms, char out[LX_DURATION_SIZE])
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    const char *sign = ms < 0 ? "-" : "";
    if (left < 1000) {
        (void)snprintf(out, LX_DURATION_SIZE, left ? "%s%ums" : "%s%us", sign, (unsigned)left);
        return;
    }
    uint64_t hours = left / 3600000u;
    unsigned minutes = (unsigned)(left / 60000u % 60u);
    unsigned seconds = (unsigned)(left / 1000u % 60u), millis = (unsigned)(left % 1000u);
    int len;
    if (hours)
        len = snprintf(out, LX_DURATION_SIZE, "%s%lluh%um%u", sign, (unsigned long long)hours,
                       minutes, seconds);
    else if (minutes)
        len = snprintf(out, LX_DURATION_SIZE, "%s%um%u", sign, minutes, seconds);
    else
        len = snprintf(out, LX_DURATION_SIZE, "%s%u", sign, seconds);
    size_t at = (size_t)len;
    if (millis) {
        at += (size_t)snprintf(out + at, LX_DURATION_SIZE - at, ".%03u", millis);
        while (out[at - 1] == '0')
            at--;
    }
    out[at] = 's';
    out[at + 1] = '\0';
}
