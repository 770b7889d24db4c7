/*
 * Quantities: those of settings and those of manifests are the same texts, which are the ones that
 * Kubernetes takes; they compare as the numbers do that they stand for. Input: two texts, one a
 * line, and the guardrails with the first as a ceiling.
 */
#include "app/settings_check.h"
#include "lunexec/plan.h"
#include "lunexec/quantity.h"
#include "lunexec/text.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Kubernetes' grammar. The number is good for 18 digits, or none where a long double ends. */
static bool read_number(const char *text, long double *ret_number)
{
    static const struct {
        const char *text;
        long double factor;
    } suffixes[] = {{"", 1},         {"n", 1e-9L},    {"u", 1e-6L},    {"m", 1e-3L},
                    {"k", 1e3L},     {"M", 1e6L},     {"G", 1e9L},     {"T", 1e12L},
                    {"P", 1e15L},    {"E", 1e18L},    {"Ki", 0x1p10L}, {"Mi", 0x1p20L},
                    {"Gi", 0x1p30L}, {"Ti", 0x1p40L}, {"Pi", 0x1p50L}, {"Ei", 0x1p60L}};
    long double value = 0, place = *text == '-' ? -1 : 1, exponent = 0;
    text += *text == '-' || *text == '+';
    size_t whole = strspn(text, "0123456789"), part = 0;
    for (size_t i = 0; i < whole; i++)
        value = value * 10 + place * (text[i] - '0');
    text += whole;
    if (*text == '.') {
        part = strspn(++text, "0123456789");
        for (size_t i = 0; i < part; i++)
            value += (place /= 10) * (text[i] - '0');
        text += part;
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        *ret_number = value * suffixes[i].factor;
        if (lx_streq(text, suffixes[i].text))
            return whole + part > 0;
    }
    if (*text != 'e' && *text != 'E')
        return false;
    bool down = *++text == '-';
    text += *text == '-' || *text == '+';
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits; i++)
        exponent = exponent * 10 + (text[i] - '0');
    *ret_number = value * powl(10, down ? -exponent : exponent);
    return whole + part > 0 && digits > 0 && !text[digits];
}

/* Far from the ends, where values are rounded or kept at the largest. */
static bool is_plain(long double value)
{
    return fabsl(value) > 1e-3L && fabsl(value) < 1e20L;
}

static void check_order(const char *a_text, const char *b_text)
{
    struct lx_quantity a, b;
    long double x, y;
    if (!read_number(a_text, &x) || !read_number(b_text, &y) || lx_quantity_parse(a_text, &a) ||
        lx_quantity_parse(b_text, &b))
        return;
    int order = lx_quantity_compare(a, b);
    lx_assert(order == -lx_quantity_compare(b, a));
    if (!is_plain(x) || !is_plain(y) || fabsl(x - y) <= 1e-5L * (fabsl(x) + fabsl(y)))
        return;
    lx_assert(x < y ? order < 0 : order > 0);
}

/* As a ceiling, which must be a quantity. */
static void check_guardrails(const char *text)
{
    lx_auto(json) json_t *value = json_pack("{s:{s:s}}", "max", "memory", text);
    struct lx_guardrails *guardrails = NULL;
    struct lx_quantity ignored;
    struct lx_err err;
    if (!value)
        return; /* no UTF-8 */
    lx_auto(str) char *json = lx_json_text(value);
    bool good = lx_guardrails_parse(json, &guardrails, &err) == 0;
    lx_assert(good == (lx_quantity_parse(text, &ignored) == 0) || *text == '-');
    lx_guardrails_free(guardrails);
}

static void check_one(const char *text)
{
    struct lx_quantity quantity, again;
    bool good = lx_quantity_parse(text, &quantity) == 0;
    long double number;
    int64_t bytes;
    lx_assert(lx_is_quantity(text) == good);
    lx_assert(!good || read_number(text, &number)); /* exponents beyond 64 bits are not taken */
    lx_assert(good || strlen(text) > 19 || !read_number(text, &number));
    if (good) {
        lx_assert(lx_quantity_parse(text, &again) == 0 &&
                  lx_quantity_compare(quantity, again) == 0);
        lx_assert((quantity.nanos < 0) <= (*text == '-'));
    }
    if (lx_parse_bytes(text, &bytes) == 0) {
        lx_auto(str) char *plain = lx_strf("%lld", (long long)bytes);
        lx_assert(bytes >= 0 && good && lx_quantity_parse(plain, &again) == 0 &&
                  lx_quantity_compare(quantity, again) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    char *second = strchr(text, '\n');
    if (second)
        *second++ = '\0';
    check_one(text);
    check_guardrails(text);
    if (second) {
        check_one(second);
        check_order(text, second);
    }
    return 0;
}
