/*
 * Errors: a caller-owned value, last argument of every function that can fail.
 *
 * A function that fails returns -1 and has filled *err; on success *err is untouched. Callers add
 * what they were doing with lx_wrap. No allocation, nothing to free.
 */
#ifndef LUNEXEC_ERR_H
#define LUNEXEC_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/* What kind of failure it was, where somebody decides by it. */
enum lx_code {
    LX_OK = 0,
    LX_E_INVALID,   /* bad input: a setting, a payload, a file */
    LX_E_IO,        /* the operating system or the network said no */
    LX_E_TIMEOUT,   /* a deadline passed */
    LX_E_CANCELLED, /* somebody asked to stop */
    LX_E_LIMIT,     /* a stated maximum was exceeded */
    LX_E_AUTH,      /* 401 or 403 */
    LX_E_NOT_FOUND, /* 404 */
    LX_E_CONFLICT,  /* 409, already exists */
    LX_E_GONE,      /* 410, a resourceVersion too old */
    LX_E_REFUSED,   /* policy or guardrail said no */
    LX_E_PEER,      /* the peer answered, but not as its contract says */
};

#define LX_ERR_TEXT 1024

struct lx_err {
    enum lx_code code;
    char text[LX_ERR_TEXT]; /* one line, no newline at the end; cut at the size */
};

/* Fills *err (which may be NULL) and returns -1, so that `return lx_fail(...)` reads as one step.
 * Control characters become blanks. Here and below arguments may point into err->text. */
int lx_fail(struct lx_err *err, enum lx_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<fmt>: " before the text already in *err (which may be NULL), keeps the code, returns -1.
 */
int lx_wrap(struct lx_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* lx_fail with LX_E_IO, whatever `number` is, and the text of that errno after the message:
 * "<fmt>: <strerror>". */
int lx_fail_errno(struct lx_err *err, int number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The short name of a code, "invalid", "timeout", ... for log fields and metrics. Static. */
const char *lx_code_name(enum lx_code code);

/* Ends the process (abort) with file, line and condition on standard error: a bug of ours, never of
 * a peer. Compiled into every build. */
#define lx_assert(cond) ((cond) ? (void)0 : lx_assert_failed(#cond, __FILE__, __LINE__))
/* For lx_assert only. */
_Noreturn void lx_assert_failed(const char *cond, const char *file, int line);

#endif
