#include "job/verdict.h"

#include "lunexec/text.h"

#include <string.h>

#define FOREVER UINT64_MAX

/* What the kubelet says of a container that waits in vain. */
static const struct {
    const char *reason;
    enum lx_failure_kind kind;
    bool hopeless; /* it will not come by itself */
} reasons[] = {
    {"InvalidImageName", LX_FAIL_IMAGE_NAME, true},
    {"ErrImageNeverPull", LX_FAIL_IMAGE_NOT_FOUND, true},
    {"ErrImagePull", LX_FAIL_IMAGE_PULL, false},
    {"ImagePullBackOff", LX_FAIL_IMAGE_PULL, false},
    {"ImageInspectError", LX_FAIL_IMAGE_PULL, false},
    {"RegistryUnavailable", LX_FAIL_IMAGE_PULL, false},
    {"SignatureValidationFailed", LX_FAIL_IMAGE_PULL, false},
    {"CreateContainerConfigError", LX_FAIL_CONTAINER_CREATE, false},
    {"CreateContainerError", LX_FAIL_CONTAINER_CREATE, false},
    {"RunContainerError", LX_FAIL_CONTAINER_CREATE, false},
    {"PreCreateHookError", LX_FAIL_CONTAINER_CREATE, false},
    {"PreStartHookError", LX_FAIL_CONTAINER_CREATE, false},
    {"PostStartHookError", LX_FAIL_CONTAINER_CREATE, false},
    {"CrashLoopBackOff", LX_FAIL_CONTAINER_CREATE, false},
};

static bool says(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcasestr(text, *words))
            return true;
    }
    return false;
}

/* Registries and runtimes have no common words for it. Docker Hub answers "denied" for what does
 * not exist, and adds that it may be either. */
static enum lx_failure_kind kind_of_pull(const char *message)
{
    static const char *const unauthorized[] = {"unauthorized",
                                               "authorization failed",
                                               "authentication required",
                                               "forbidden",
                                               "denied",
                                               NULL};
    static const char *const missing[] = {"not found", "NotFound", "manifest unknown",
                                          "name unknown", NULL};
    if (says(message, unauthorized))
        return LX_FAIL_IMAGE_UNAUTHORIZED;
    return says(message, missing) ? LX_FAIL_IMAGE_NOT_FOUND : LX_FAIL_IMAGE_PULL;
}

static bool stuck_container(const struct lx_container *c, struct lx_stuck *stuck)
{
    if (c->state != LX_CONTAINER_WAITING)
        return false;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (!lx_streq(c->reason, reasons[i].reason))
            continue;
        stuck->kind = reasons[i].kind;
        if (stuck->kind == LX_FAIL_IMAGE_PULL)
            stuck->kind = kind_of_pull(c->message);
        stuck->hopeless = reasons[i].hopeless;
        stuck->blocked = c;
        stuck->reason = c->reason;
        stuck->message = c->message;
        return true;
    }
    return false;
}

/* The kubelet takes an init container for failed in which anything was killed for its memory,
 * whatever its exit code, and starts none after it; but with exit code 0 it does not let the pod
 * fail either. */
static const struct lx_container *killed_within(const struct lx_pod *pod)
{
    const struct lx_container *killed = NULL;
    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct lx_container *c = &pod->containers[i];
        if (c->init && c->state == LX_CONTAINER_TERMINATED && c->exit_code == 0 &&
            lx_streq(c->reason, "OOMKilled"))
            killed = c;
        else if (killed && c->state != LX_CONTAINER_WAITING)
            return NULL;
    }
    return killed;
}

static bool is_set_up(const struct lx_pod *pod)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        if (pod->containers[i].state != LX_CONTAINER_WAITING)
            return true;
    }
    return !*pod->node || !pod->unready;
}

struct lx_stuck lx_stuck_of(const struct lx_pod *pod)
{
    struct lx_stuck stuck = {.reason = "", .message = ""};
    if (!pod) {
        stuck.kind = LX_FAIL_NO_POD;
        return stuck;
    }
    if (pod->deleting || lx_streq(pod->phase, "Unknown")) {
        stuck.kind = LX_FAIL_NODE_LOST;
        stuck.reason = pod->deleting ? "Terminating" : pod->phase;
        stuck.message = pod->deleting ? "the pod was told to end and does not" : pod->message;
        return stuck;
    }
    for (size_t i = 0; i < pod->n_containers; i++) {
        if (stuck_container(&pod->containers[i], &stuck))
            return stuck;
    }
    if ((stuck.blocked = killed_within(pod))) {
        stuck.kind = LX_FAIL_OUT_OF_MEMORY;
        stuck.reason = stuck.blocked->reason;
        return stuck;
    }
    if (*pod->unscheduled && !*pod->node) {
        stuck.kind = LX_FAIL_UNSCHEDULABLE;
        stuck.reason = "Unschedulable";
        stuck.message = pod->unscheduled;
    } else if (!is_set_up(pod)) {
        stuck.kind = LX_FAIL_POD_SETUP;
        stuck.reason = "PodReadyToStartContainers";
    }
    return stuck;
}

uint64_t lx_stuck_grace_ms(const struct lx_stuck *stuck)
{
    if (stuck->hopeless)
        return 0;
    switch ((int)stuck->kind) {
    case LX_FAIL_IMAGE_NOT_FOUND:
    case LX_FAIL_IMAGE_UNAUTHORIZED:
        return 15000;
    case LX_FAIL_IMAGE_PULL:
        return 120000;
    case LX_FAIL_OUT_OF_MEMORY:
        return 10000;
    case LX_FAIL_CONTAINER_CREATE:
    case LX_FAIL_ADMISSION:
    case LX_FAIL_FORBIDDEN:
        return 30000;
    case LX_FAIL_NO_POD:
    case LX_FAIL_QUOTA:
    case LX_FAIL_NODE_LOST:
        return 300000;
    case LX_FAIL_POD_SETUP:
        return 600000;
    default:
        return FOREVER;
    }
}

/* What the words of Kubernetes leave out. */
static const char *meaning(enum lx_failure_kind kind)
{
    switch ((int)kind) {
    case LX_FAIL_IMAGE_NAME:
        return "the image's name is not valid";
    case LX_FAIL_IMAGE_NOT_FOUND:
        return "the image is not there";
    case LX_FAIL_IMAGE_UNAUTHORIZED:
        return "the registry does not let the cluster pull the image";
    case LX_FAIL_IMAGE_PULL:
        return "the image cannot be pulled";
    case LX_FAIL_UNSCHEDULABLE:
        return "no node takes its pod";
    case LX_FAIL_POD_SETUP:
        return "its node does not get its volumes or its network ready";
    case LX_FAIL_NODE_LOST:
        return "its node does not answer";
    case LX_FAIL_NO_POD:
    case LX_FAIL_QUOTA:
    case LX_FAIL_ADMISSION:
    case LX_FAIL_FORBIDDEN:
        return "the cluster made no pod for it";
    default:
        return "";
    }
}

static bool is_about_image(enum lx_failure_kind kind)
{
    return kind == LX_FAIL_IMAGE_NAME || kind == LX_FAIL_IMAGE_NOT_FOUND ||
           kind == LX_FAIL_IMAGE_UNAUTHORIZED || kind == LX_FAIL_IMAGE_PULL;
}

static void fail_container(const struct lx_stuck *stuck, const struct lx_workload *workload,
                           struct lx_failure *failure)
{
    if (stuck->kind == LX_FAIL_OUT_OF_MEMORY)
        lx_fail_memory(workload, stuck->blocked, failure);
    const char *step = NULL, *image = "", *words = meaning(stuck->kind);
    for (size_t i = 0; i < workload->n_containers && !step; i++) {
        const struct lx_workload_container *w = &workload->containers[i];
        if (!lx_streq(w->name, stuck->blocked->name))
            continue;
        step = lx_workload_step(w);
        if (is_about_image(stuck->kind) && w->planned_image)
            image = w->planned_image;
    }
    bool recorded = lx_failure_set(
        failure, stuck->kind, "job %s failed: %s%s%scontainer %s cannot start: %s%s%s%s%s%s%s%s",
        workload->job_name, step ? "step " : "", step ? step : "", step ? ": " : "",
        stuck->blocked->name, words, *image ? " (" : "", image, *image ? ")" : "",
        *words ? ": " : "", stuck->reason, *stuck->message ? ": " : "", stuck->message);
    if ((recorded || stuck->kind == LX_FAIL_OUT_OF_MEMORY) && step)
        failure->step = lx_strdup(step);
}

void lx_stuck_fail(const struct lx_stuck *stuck, const struct lx_workload *workload,
                   struct lx_failure *failure)
{
    if (failure->kind != LX_FAIL_NONE)
        return;
    if (stuck->blocked)
        fail_container(stuck, workload, failure);
    else
        lx_failure_set(failure, stuck->kind, "job %s failed: %s%s%s", workload->job_name,
                       meaning(stuck->kind), *stuck->message ? ": " : "", stuck->message);
    if (*stuck->reason)
        failure->reason = lx_strdup(stuck->reason);
}
