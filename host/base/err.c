#include "lunexec/err.h"

#include "lunexec/escape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes `text` one line and, where it was cut, removes a character of which only a part is left. */
static void tidy(char text[LX_ERR_TEXT], size_t wanted)
{
    size_t len = strlen(text);
    if (wanted > len) {
        size_t lead = len;
        while (lead > 0 && ((unsigned char)text[lead - 1] & 0xC0u) == 0x80u)
            lead--;
        if (lead > 0 && lx_utf8_sequence(text + lead - 1, len - lead + 1) == 0)
            text[lead - 1] = '\0';
    }
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20u || *p == 0x7f)
            *p = ' ';
    }
    len = strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        text[--len] = '\0';
}

static void fill(struct lx_err *err, const char *tail, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Writes "<fmt>" or "<fmt>: <tail>" into err->text; the arguments may point into it. */
static void fill(struct lx_err *err, const char *tail, const char *fmt, va_list args)
{
    char text[LX_ERR_TEXT];
    int len = vsnprintf(text, sizeof(text), fmt, args);
    size_t wanted = len > 0 ? (size_t)len : 0;
    if (len < 0)
        text[0] = '\0';
    if (tail && wanted < sizeof(text)) {
        len = snprintf(text + wanted, sizeof(text) - wanted, ": %s", tail);
        wanted += len > 0 ? (size_t)len : 0;
    }
    tidy(text, wanted);
    memcpy(err->text, text, sizeof(text));
}

int lx_fail(struct lx_err *err, enum lx_code code, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, fmt);
    fill(err, NULL, fmt, args);
    va_end(args);
    err->code = code;
    return -1;
}

int lx_wrap(struct lx_err *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, fmt);
    fill(err, err->text, fmt, args);
    va_end(args);
    return -1;
}

int lx_fail_errno(struct lx_err *err, int number, const char *fmt, ...)
{
    if (!err)
        return -1;
    char reason[128];
    va_list args;
    va_start(args, fmt);
    fill(err, strerror_r(number, reason, sizeof(reason)), fmt, args);
    va_end(args);
    err->code = LX_E_IO;
    return -1;
}

const char *lx_code_name(enum lx_code code)
{
    switch (code) {
    case LX_OK:
        return "ok";
    case LX_E_INVALID:
        return "invalid";
    case LX_E_IO:
        return "io";
    case LX_E_TIMEOUT:
        return "timeout";
    case LX_E_CANCELLED:
        return "cancelled";
    case LX_E_LIMIT:
        return "limit";
    case LX_E_AUTH:
        return "auth";
    case LX_E_NOT_FOUND:
        return "not-found";
    case LX_E_CONFLICT:
        return "conflict";
    case LX_E_GONE:
        return "gone";
    case LX_E_REFUSED:
        return "refused";
    case LX_E_PEER:
        return "peer";
    }
    return "unknown";
}

_Noreturn void lx_assert_failed(const char *cond, const char *file, int line)
{
    dprintf(2, "lunexec: %s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}
