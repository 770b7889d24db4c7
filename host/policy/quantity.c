#include "lunexec/quantity.h"

#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

#define NANO_DIGITS 9
/* Beyond every quantity there is (8 EiB); products of it and 10 or 1024 still fit. */
#define WIDE_MAX ((__int128)1 << 110)
/* Powers of ten beyond this are 0 or the largest value, whatever the digits. */
#define EXPONENT_MAX 100

static __int128 times(__int128 value, int64_t factor)
{
    return value > WIDE_MAX / factor ? WIDE_MAX : value * factor;
}

struct suffix {
    const char *text;
    int power_of_ten, power_of_1024;
};

static const struct suffix suffixes[] = {
    {"", 0, 0},   {"n", -9, 0}, {"u", -6, 0}, {"m", -3, 0}, {"k", 3, 0},  {"M", 6, 0},
    {"G", 9, 0},  {"T", 12, 0}, {"P", 15, 0}, {"E", 18, 0}, {"Ki", 0, 1}, {"Mi", 0, 2},
    {"Gi", 0, 3}, {"Ti", 0, 4}, {"Pi", 0, 5}, {"Ei", 0, 6},
};

static int read_suffix(const char *text, struct suffix *ret_suffix)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (lx_streq(text, suffixes[i].text)) {
            *ret_suffix = suffixes[i];
            return 0;
        }
    }
    int64_t exponent = 0;
    if ((text[0] != 'e' && text[0] != 'E') || !text[1])
        return -1;
    if (lx_parse_i64(text[1] == '+' ? text + 2 : text + 1, &exponent))
        return -1;
    if (exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
        exponent = exponent > 0 ? EXPONENT_MAX : -EXPONENT_MAX;
    *ret_suffix = (struct suffix){.power_of_ten = (int)exponent};
    return 0;
}

/* The digits, without the point, as one number; *ret_fraction says how many stood after it. */
static const char *read_digits(const char *at, __int128 *ret_digits, int *ret_fraction)
{
    bool point = false, any = false;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        any = true;
        if (*ret_digits > WIDE_MAX / 16 && point)
            continue; /* digits too far behind the point to matter */
        *ret_digits = times(*ret_digits, 10) + (*at - '0');
        *ret_fraction += point;
    }
    return any ? at : NULL;
}

int lx_quantity_parse(const char *text, struct lx_quantity *ret_quantity)
{
    bool negative = *text == '-';
    __int128 digits = 0;
    int fraction = 0;
    struct suffix suffix;
    const char *rest = read_digits(text + (negative || *text == '+'), &digits, &fraction);
    if (!rest || read_suffix(rest, &suffix))
        return -1;
    int power = NANO_DIGITS + suffix.power_of_ten - fraction;
    for (int i = 0; i < suffix.power_of_1024; i++)
        digits = times(digits, 1024);
    for (; power > 0; power--)
        digits = times(digits, 10);
    bool rounds = false;
    for (; power < 0; power++) {
        rounds = rounds || digits % 10;
        digits /= 10;
    }
    digits += rounds;
    ret_quantity->nanos = negative ? -digits : digits;
    return 0;
}

int lx_quantity_of(const json_t *value, struct lx_quantity *ret_quantity)
{
    if (json_is_string(value))
        return lx_quantity_parse(json_string_value(value), ret_quantity);
    if (!json_is_number(value))
        return -1;
    lx_auto(str) char *text = lx_json_text(value);
    return lx_quantity_parse(text, ret_quantity);
}

int lx_quantity_compare(struct lx_quantity a, struct lx_quantity b)
{
    return (a.nanos > b.nanos) - (a.nanos < b.nanos);
}
