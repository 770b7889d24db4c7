#include "lunexec/quantity.h"

#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/plan.h"
#include "lunexec/text.h"

#include <string.h>

#define NANO_DIGITS 9
/* Beyond every quantity there is (8 EiB); products of it and 10 or 1024 still fit. */
#define WIDE_MAX ((__int128)1 << 110)
/* Digits that make a number no larger than this are kept, 30 at least. */
#define DIGITS_MAX ((__int128)1 << 100)
/* More than a text has digits. */
#define EXPONENT_MAX 1000000000

/* digits * 10^power */
struct decimal {
    __int128 digits;
    int64_t power;
};

static __int128 times(__int128 value, int64_t factor)
{
    return value > WIDE_MAX / factor ? WIDE_MAX : value * factor;
}

/* Rounded up, so that what is given up on the way makes no number smaller than it is. */
static void drop_digit(struct decimal *number)
{
    number->digits = number->digits / 10 + (number->digits % 10 != 0);
    number->power++;
}

struct suffix {
    const char *text;
    int64_t power_of_ten;
    int power_of_1024;
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
    if (lx_parse_i64(text + 1, &exponent))
        return -1;
    if (exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
        exponent = exponent > 0 ? EXPONENT_MAX : -EXPONENT_MAX;
    *ret_suffix = (struct suffix){.power_of_ten = exponent};
    return 0;
}

/* What stands before the suffix; returns where that begins, NULL when there is no digit. */
static const char *read_digits(const char *at, struct decimal *ret_number)
{
    bool point = false, any = false, more = false;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        any = true;
        if (ret_number->digits > DIGITS_MAX) {
            more = more || *at != '0';
            ret_number->power += !point;
        } else {
            ret_number->digits = ret_number->digits * 10 + (*at - '0');
            ret_number->power -= point;
        }
    }
    ret_number->digits += more;
    return any ? at : NULL;
}

/* The number as one without a power. */
static __int128 settle(struct decimal number)
{
    while (number.power < 0 && number.digits > 1)
        drop_digit(&number);
    for (; number.power > 0 && number.digits > 0 && number.digits < WIDE_MAX; number.power--)
        number.digits = times(number.digits, 10);
    return number.digits;
}

int lx_quantity_parse(const char *text, struct lx_quantity *ret_quantity)
{
    bool negative = *text == '-';
    struct decimal number = {0};
    struct suffix suffix;
    const char *rest = read_digits(text + (negative || *text == '+'), &number);
    if (!rest || read_suffix(rest, &suffix))
        return -1;
    number.power += NANO_DIGITS + suffix.power_of_ten;
    for (int i = 0; i < suffix.power_of_1024; i++) {
        while (number.digits > WIDE_MAX / 1024 && number.power < 0)
            drop_digit(&number);
        number.digits = times(number.digits, 1024);
    }
    __int128 nanos = settle(number);
    ret_quantity->nanos = negative ? -nanos : nanos;
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

bool lx_is_quantity(const char *text)
{
    struct lx_quantity ignored;
    return lx_quantity_parse(text, &ignored) == 0;
}
