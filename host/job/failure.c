#include "job/failure.h"

#include "lunexec/mem.h"

#include <stdio.h>

void lx_failure_set(struct lx_failure *failure, enum lx_failure_kind kind, const char *fmt, ...)
{
    if (failure->kind != LX_FAIL_NONE)
        return;
    va_list args;
    va_start(args, fmt);
    char *message = NULL;
    if (vasprintf(&message, fmt, args) < 0)
        message = lx_strdup(fmt);
    va_end(args);
    failure->kind = kind;
    failure->message = message;
}

void lx_failure_done(struct lx_failure *failure)
{
    free(failure->message);
    *failure = (struct lx_failure){0};
}

enum lx_mark lx_failure_mark(enum lx_failure_kind kind)
{
    switch (kind) {
    case LX_FAIL_NONE:
        return LX_MARK_COMPLETE;
    case LX_FAIL_CANCELLED:
    case LX_FAIL_POLICY:
    case LX_FAIL_INPUT:
        return LX_MARK_FAILED;
    case LX_FAIL_STEP:
    case LX_FAIL_FILES:
    case LX_FAIL_WORKSPACE:
    case LX_FAIL_CLUSTER:
    case LX_FAIL_IMAGE:
    case LX_FAIL_POD:
    case LX_FAIL_RUNTIME:
    case LX_FAIL_LOGS:
    case LX_FAIL_LOST:
    case LX_FAIL_STOPPED:
        return LX_MARK_ERRORED;
    }
    return LX_MARK_ERRORED;
}

const char *lx_failure_name(enum lx_failure_kind kind)
{
    static const char *const names[] = {
        [LX_FAIL_NONE] = "none",           [LX_FAIL_STEP] = "step",
        [LX_FAIL_POLICY] = "policy",       [LX_FAIL_INPUT] = "input",
        [LX_FAIL_FILES] = "files",         [LX_FAIL_CLUSTER] = "cluster",
        [LX_FAIL_IMAGE] = "image",         [LX_FAIL_POD] = "pod",
        [LX_FAIL_RUNTIME] = "runtime",     [LX_FAIL_LOGS] = "logs",
        [LX_FAIL_CANCELLED] = "cancelled", [LX_FAIL_LOST] = "lost",
        [LX_FAIL_STOPPED] = "stopped",     [LX_FAIL_WORKSPACE] = "workspace",
    };
    return names[kind];
}
