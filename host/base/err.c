#include "lunexec/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lx_fail(struct lx_err *err, enum lx_code code, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
        err->code = code;
    }
    return -1;
}

/* Appends ": <text>" after the first `len` bytes, cut at the size. */
static void append(struct lx_err *err, int len, const char *text)
{
    if (len < 0 || (size_t)len + 3 > sizeof err->text)
        return;
    char *at = err->text + len;
    size_t room = sizeof err->text - (size_t)len - 3, n = strnlen(text, room);
    memcpy(at, ": ", 2);
    memmove(at + 2, text, n);
    at[2 + n] = '\0';
}

int lx_wrap(struct lx_err *err, const char *fmt, ...)
{
    if (err) {
        char old[LX_ERR_TEXT];
        memcpy(old, err->text, sizeof old);
        va_list args;
        va_start(args, fmt);
        int len = vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
        append(err, len, old);
    }
    return -1;
}

int lx_fail_errno(struct lx_err *err, int number, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        int len = vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
        append(err, len, strerror(number));
        err->code = LX_E_IO;
    }
    return -1;
}

const char *lx_code_name(enum lx_code code)
{
    static const char *const names[] = {
        [LX_OK] = "ok",
        [LX_E_INVALID] = "invalid",
        [LX_E_IO] = "io",
        [LX_E_TIMEOUT] = "timeout",
        [LX_E_CANCELLED] = "cancelled",
        [LX_E_LIMIT] = "limit",
        [LX_E_AUTH] = "auth",
        [LX_E_NOT_FOUND] = "not-found",
        [LX_E_CONFLICT] = "conflict",
        [LX_E_GONE] = "gone",
        [LX_E_REFUSED] = "refused",
        [LX_E_PEER] = "peer",
    };
    return names[code];
}

_Noreturn void lx_assert_failed(const char *cond, const char *file, int line)
{
    dprintf(2, "lunexec: %s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}
