#include "lunexec/parse.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int lx_parse_u64(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return -1;
    }
    *ret_value = value;
    return 0;
}

int lx_parse_i64(const char *text, int64_t *ret_value)
{
    bool negative = *text == '-';
    uint64_t value, limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (*text == '-' || *text == '+')
        text++;
    if (lx_parse_u64(text, &value) < 0 || value > limit)
        return -1;
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

int lx_parse_bool(const char *text, bool *ret_value)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < 6; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret_value = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

struct unit {
    const char *name;
    int64_t ns;
};

/* The longer names first, so that "m" does not take "ms". */
static const struct unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000},
    {"\xce\xbcs", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", INT64_C(60) * 1000000000},
    {"h", INT64_C(3600) * 1000000000},
};

static const struct unit *unit_at(const char *text)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strncmp(text, units[i].name, strlen(units[i].name)) == 0)
            return &units[i];
    }
    return NULL;
}

/* One "12.5h" at *at, added to *ns. */
static int duration_part(const char **at, int64_t *ns)
{
    int64_t whole = 0, fraction = 0, scale = 1;
    bool any = false;
    for (; isdigit((unsigned char)**at); (*at)++, any = true) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, **at - '0', &whole))
            return -1;
    }
    if (**at == '.') {
        for ((*at)++; isdigit((unsigned char)**at); (*at)++, any = true) {
            if (scale < INT64_C(1000000000)) {
                fraction = fraction * 10 + (**at - '0');
                scale *= 10;
            }
        }
    }
    const struct unit *unit = unit_at(*at);
    if (!any || !unit || __builtin_mul_overflow(whole, unit->ns, &whole))
        return -1;
    *at += strlen(unit->name);
    int64_t part = (int64_t)((double)fraction / (double)scale * (double)unit->ns);
    return __builtin_add_overflow(whole, part, &whole) ||
                   __builtin_add_overflow(*ns, whole, ns)
               ? -1
               : 0;
}

int lx_parse_duration_ms(const char *text, int64_t *ret_ms)
{
    const char *at = text;
    bool negative = *at == '-';
    int64_t ns = 0;
    if (*at == '-' || *at == '+')
        at++;
    if (strcmp(at, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    if (!*at)
        return -1;
    while (*at) {
        if (duration_part(&at, &ns) < 0)
            return -1;
    }
    *ret_ms = (negative ? -ns : ns) / 1000000;
    return 0;
}

void lx_format_duration(int64_t ms, char out[LX_DURATION_SIZE])
{
    const char *sign = ms < 0 ? "-" : "";
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    uint64_t h = left / 3600000, m = left / 60000 % 60, s = left / 1000 % 60, rest = left % 1000;
    char fraction[8] = "";
    if (left == 0) {
        snprintf(out, LX_DURATION_SIZE, "0s");
        return;
    }
    if (left < 1000) {
        snprintf(out, LX_DURATION_SIZE, "%s%" PRIu64 "ms", sign, left);
        return;
    }
    if (rest > 0) {
        int n = snprintf(fraction, sizeof fraction, ".%03u", (unsigned)rest);
        while (n > 0 && fraction[n - 1] == '0')
            fraction[--n] = '\0';
    }
    if (h > 0)
        snprintf(out, LX_DURATION_SIZE, "%s%" PRIu64 "h%um%u%ss", sign, h, (unsigned)m, (unsigned)s,
                 fraction);
    else if (m > 0)
        snprintf(out, LX_DURATION_SIZE, "%s%um%u%ss", sign, (unsigned)m, (unsigned)s, fraction);
    else
        snprintf(out, LX_DURATION_SIZE, "%s%u%ss", sign, (unsigned)s, fraction);
}
