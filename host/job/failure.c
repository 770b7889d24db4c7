#include "job/failure.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *advice;
    bool failed; /* marked failed rather than errored */
    bool retryable;
} kinds[LX_FAIL_COUNT] = {
    [LX_FAIL_NONE] = {"none", "", false, false},
    [LX_FAIL_EXIT_CODE] = {"exit-code", "", false, false},
    [LX_FAIL_OUT_OF_MEMORY] = {"out-of-memory",
                               "raise EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY, or let the "
                               "policy's retry() give more",
                               false, true},
    [LX_FAIL_EVICTED] = {"evicted",
                         "request what jobs use of memory and disk, or let the policy's retry() "
                         "try again",
                         false, true},
    [LX_FAIL_PREEMPTED] = {"preempted", "add capacity, or give job pods a higher priority", false,
                           true},
    [LX_FAIL_NODE_LOST] = {"node-lost", "look at the node", false, true},
    [LX_FAIL_NODE_REFUSED] = {"node-refused", "look at what else runs on the node", false, true},
    [LX_FAIL_POD_DELETED] = {"pod-deleted", "find out what deletes job pods", false, true},
    [LX_FAIL_UNSCHEDULABLE] = {"unschedulable",
                               "compare requests, selectors and tolerations of jobs with the nodes",
                               false, true},
    [LX_FAIL_NO_POD] = {"no-pod", "see the Job's events: quota, admission, the job controller",
                        false, true},
    [LX_FAIL_POD_SETUP] = {"pod-setup",
                           "see the pod's events: volumes, Secrets, the network plugin", false,
                           true},
    [LX_FAIL_IMAGE_NAME] = {"image-name", "correct the image's name in the batch spec or setting",
                            false, false},
    [LX_FAIL_IMAGE_NOT_FOUND] = {"image-not-found",
                                 "push the image, or correct its name or pull policy", false, true},
    [LX_FAIL_IMAGE_UNAUTHORIZED] = {"image-unauthorized",
                                    "check the name, and the credentials in "
                                    "KUBERNETES_IMAGE_PULL_SECRETS",
                                    false, true},
    [LX_FAIL_IMAGE_PULL] = {"image-pull", "check that nodes reach the registry", false, true},
    [LX_FAIL_CONTAINER_CREATE] = {"container-create",
                                  "see the reason; often a volume, a Secret or a security setting",
                                  false, true},
    [LX_FAIL_ADMISSION] = {"admission", "adapt the policy's Job to what the cluster accepts", false,
                           false},
    [LX_FAIL_QUOTA] = {"quota", "raise the quota, or lower EXECUTOR_MAXIMUM_NUM_JOBS or requests",
                       false, true},
    [LX_FAIL_FORBIDDEN] = {"forbidden",
                           "give the executor's account the rights in "
                           "deploy/role.yaml",
                           false, false},
    [LX_FAIL_API] = {"api-unavailable", "look at the API server and the way to it", false, true},
    [LX_FAIL_DEADLINE] = {"deadline",
                          "raise KUBERNETES_JOB_DEADLINE or EXECUTOR_MAXIMUM_RUNTIME_PER_JOB",
                          false, false},
    [LX_FAIL_POLICY] = {"policy", "", true, false},
    [LX_FAIL_INPUT] = {"input", "", true, false},
    [LX_FAIL_FILES] = {"files", "", false, false},
    [LX_FAIL_WORKSPACE] = {"workspace", "", false, false},
    [LX_FAIL_LOGS] = {"logs", "", false, false},
    [LX_FAIL_CANCELLED] = {"cancelled", "", true, false},
    [LX_FAIL_LOST] = {"lost", "", false, false},
    [LX_FAIL_STOPPED] = {"stopped", "", false, false},
    [LX_FAIL_INTERNAL] = {"internal", "report this with the executor's log", false, false},
};

/* What the API server refuses because of the namespace is no fault of the object. */
static const char *advice_on(enum lx_failure_kind kind, const char *message)
{
    const char *namespace = strstr(message, "namespaces \"");
    if (kind == LX_FAIL_ADMISSION && (strstr(message, "because it is being terminated") ||
                                      (namespace && strstr(namespace, "\" not found"))))
        return "make the namespace again, or set EXECUTOR_KUBERNETES_NAMESPACE to another";
    return kinds[kind].advice;
}

/* The advice ends the first line, which is what the record shows. */
static char *with_advice(char *message, const char *advice)
{
    if (!*advice)
        return message;
    size_t line = strcspn(message, "\n"), first = line;
    while (first > 0 && message[first - 1] == ' ') /* as the kubelet's texts end */
        first--;
    bool dot = first > 0 && message[first - 1] == '.';
    char *text =
        lx_strf("%.*s%s %s%s", (int)first, message, dot ? "" : ";", advice, message + line);
    free(message);
    return text;
}

bool lx_failure_set(struct lx_failure *failure, enum lx_failure_kind kind, const char *fmt, ...)
{
    if (failure->kind != LX_FAIL_NONE)
        return false;
    va_list args;
    va_start(args, fmt);
    char *message = NULL;
    if (vasprintf(&message, fmt, args) < 0)
        message = lx_strdup(fmt);
    va_end(args);
    failure->kind = kind;
    failure->message = with_advice(message, advice_on(kind, message));
    failure->exit_code = -1;
    return true;
}

void lx_failure_restore(struct lx_failure *failure, enum lx_failure_kind kind, const char *message)
{
    lx_failure_done(failure);
    failure->kind = kind;
    failure->message = lx_strdup(message);
    failure->exit_code = -1;
}

void lx_failure_done(struct lx_failure *failure)
{
    free(failure->message);
    free(failure->reason);
    free(failure->step);
    free(failure->limit);
    *failure = (struct lx_failure){0};
}

enum lx_mark lx_failure_mark(enum lx_failure_kind kind)
{
    if (kind == LX_FAIL_NONE)
        return LX_MARK_COMPLETE;
    return kinds[kind].failed ? LX_MARK_FAILED : LX_MARK_ERRORED;
}

const char *lx_failure_name(enum lx_failure_kind kind)
{
    return kinds[kind].name;
}

enum lx_failure_kind lx_failure_named(const char *name)
{
    enum lx_failure_kind kind = LX_FAIL_NONE;
    while (kind < LX_FAIL_COUNT && !lx_streq(kinds[kind].name, name))
        kind++;
    return kind;
}

const char *lx_failure_advice(enum lx_failure_kind kind)
{
    return kinds[kind].advice;
}

bool lx_failure_retryable(enum lx_failure_kind kind)
{
    return kinds[kind].retryable;
}

enum lx_failure_kind lx_failure_of_answer(long status, const char *text)
{
    if (strstr(text, "exceeded quota"))
        return LX_FAIL_QUOTA;
    switch (status) {
    case 401:
        return LX_FAIL_FORBIDDEN;
    case 403:
        return strstr(text, " cannot ") || lx_starts_with(text, "cannot ") ? LX_FAIL_FORBIDDEN
                                                                           : LX_FAIL_ADMISSION;
    case 400:
    case 404:
    case 409:
    case 413:
    case 422:
        return LX_FAIL_ADMISSION;
    default:
        return LX_FAIL_API;
    }
}
