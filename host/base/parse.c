#include "lunexec/parse.h"

#include <stddef.h>
#include <string.h>

static int digits(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return -1;
    }
    *ret_value = value;
    return 0;
}

int lx_parse_u64(const char *text, uint64_t *ret_value)
{
    return text ? digits(text, ret_value) : -1;
}

int lx_parse_i64(const char *text, int64_t *ret_value)
{
    uint64_t value;
    if (!text)
        return -1;
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (digits(text, &value) < 0 || value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return -1;
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

int lx_parse_bool(const char *text, bool *ret_value)
{
    static const char *const words[] = {"0", "f", "F", "false", "FALSE", "False",
                                        "1", "t", "T", "true",  "TRUE",  "True"};
    if (!text)
        return -1;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_value = i >= 6;
            return 0;
        }
    }
    return -1;
}
