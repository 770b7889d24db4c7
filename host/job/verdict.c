#include "job/verdict.h"

#include "lunexec/text.h"

static const struct lx_container *find(const struct lx_pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        if (lx_streq(pod->containers[i].name, name))
            return &pod->containers[i];
    }
    return NULL;
}

static bool all_succeeded(const struct lx_workload *workload, const struct lx_pod *pod)
{
    for (size_t i = 0; i < workload->n_containers; i++) {
        const struct lx_container *c = find(pod, workload->containers[i].name);
        if (!c || c->state != LX_CONTAINER_TERMINATED || c->exit_code != 0)
            return false;
    }
    return true;
}

/* The first container, in order, that ended badly; sidecars that somebody injected do not count. */
static const struct lx_container *first_failed(const struct lx_workload *workload,
                                               const struct lx_pod *pod)
{
    for (size_t i = 0; i < workload->n_containers; i++) {
        const struct lx_container *c = find(pod, workload->containers[i].name);
        if (c && c->state == LX_CONTAINER_TERMINATED && c->exit_code != 0)
            return c;
    }
    return NULL;
}

static const char *key_of(const struct lx_workload *workload, const char *container)
{
    for (size_t i = 0; i < workload->n_containers; i++) {
        if (lx_streq(workload->containers[i].name, container))
            return workload->containers[i].key;
    }
    return container;
}

/* The pod itself was stopped from outside: that explains its containers' exit codes. */
static bool fail_pod(const struct lx_workload *workload, const struct lx_pod *pod,
                     struct lx_failure *failure)
{
    if (*pod->reason || *pod->message) {
        lx_failure_set(failure, LX_FAIL_POD, "job %s failed: %s%s%s", workload->job_name,
                       pod->reason, *pod->reason && *pod->message ? ": " : "", pod->message);
        return true;
    }
    if (*pod->disruption) {
        lx_failure_set(failure, LX_FAIL_POD, "job %s failed: %s", workload->job_name,
                       pod->disruption);
        return true;
    }
    return false;
}

static void fail_container(const struct lx_workload *workload, const struct lx_container *c,
                           struct lx_failure *failure)
{
    bool plain = !*c->reason || lx_streq(c->reason, "Error");
    lx_failure_set(failure, LX_FAIL_STEP,
                   "running command \"%s\": job %s failed: container %s exited with code %lld%s%s%s"
                   "%s%s",
                   key_of(workload, c->name), workload->job_name, c->name, (long long)c->exit_code,
                   plain ? "" : " (", plain ? "" : c->reason, plain ? "" : ")",
                   *c->message ? ": " : "", c->message);
}

enum lx_verdict lx_verdict_of(const struct lx_workload *workload, const struct lx_pod *pod,
                              bool deleted, struct lx_failure *failure)
{
    bool ended = lx_streq(pod->phase, "Succeeded") || lx_streq(pod->phase, "Failed");
    if (!ended && !deleted) {
        if (pod->deleting && lx_streq(pod->phase, "Pending")) {
            lx_failure_set(failure, LX_FAIL_POD,
                           "job %s failed: deleted by scheduler: pod could not be scheduled%s%s",
                           workload->job_name, *pod->unscheduled ? ": " : "", pod->unscheduled);
            return LX_VERDICT_FAILED;
        }
        return LX_VERDICT_OPEN;
    }
    if (!lx_streq(pod->phase, "Failed") && all_succeeded(workload, pod))
        return LX_VERDICT_SUCCEEDED;
    if (lx_streq(pod->phase, "Failed") && fail_pod(workload, pod, failure))
        return LX_VERDICT_FAILED;

    const struct lx_container *c = first_failed(workload, pod);
    if (c)
        fail_container(workload, c, failure);
    else if (deleted)
        lx_failure_set(failure, LX_FAIL_POD, "job %s failed: pod %s was deleted before it ended",
                       workload->job_name, pod->name);
    else
        lx_failure_set(failure, LX_FAIL_POD,
                       "job %s failed: pod %s ended as %s without all containers having succeeded",
                       workload->job_name, pod->name, pod->phase);
    return LX_VERDICT_FAILED;
}

/* What the kubelet retries by itself gets time to recover; what it cannot recover from gets none.
 */
uint64_t lx_waiting_grace_ms(const struct lx_container *container)
{
    static const struct {
        const char *reason;
        uint64_t grace_ms;
    } table[] = {
        {"ErrImageNeverPull", 0},
        {"InvalidImageName", 0},
        {"ErrImagePull", 120000},
        {"ImagePullBackOff", 120000},
        {"ImageInspectError", 120000},
        {"RegistryUnavailable", 120000},
        {"CreateContainerConfigError", 30000},
        {"CreateContainerError", 30000},
        {"RunContainerError", 30000},
        {"CrashLoopBackOff", 30000},
    };
    if (container->state == LX_CONTAINER_WAITING) {
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
            if (lx_streq(container->reason, table[i].reason))
                return table[i].grace_ms;
        }
    }
    return UINT64_MAX;
}

const struct lx_container *lx_stuck_container(const struct lx_pod *pod)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        if (lx_waiting_grace_ms(&pod->containers[i]) != UINT64_MAX)
            return &pod->containers[i];
    }
    return NULL;
}
