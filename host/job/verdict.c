#include "job/verdict.h"

#include "lunexec/text.h"

#include <string.h>

static const struct lx_container *find(const struct lx_pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        if (lx_streq(pod->containers[i].name, name))
            return &pod->containers[i];
    }
    return NULL;
}

static const struct lx_workload_container *required(const struct lx_workload *workload,
                                                    const char *name)
{
    for (size_t i = 0; i < workload->n_containers; i++) {
        if (lx_streq(workload->containers[i].name, name))
            return &workload->containers[i];
    }
    return NULL;
}

static bool has_ended(const struct lx_pod *pod)
{
    return lx_streq(pod->phase, "Succeeded") || lx_streq(pod->phase, "Failed");
}

/* The kubelet, or whoever speaks for it, gave up the pod: that is never a success, whatever exit
 * codes it reports. */
static bool is_given_up(const struct lx_pod *pod)
{
    return lx_streq(pod->phase, "Unknown") || (lx_streq(pod->phase, "Failed") && *pod->reason);
}

/* Something outside of the pod stopped it, or is about to. */
static bool is_interrupted(const struct lx_pod *pod)
{
    return pod->deleting || *pod->disruption || is_given_up(pod);
}

static bool all_zero(const struct lx_workload *workload, const struct lx_pod *pod)
{
    for (size_t i = 0; i < workload->n_containers; i++) {
        const struct lx_container *c = find(pod, workload->containers[i].name);
        if (!c || c->state != LX_CONTAINER_TERMINATED || c->exit_code != 0)
            return false;
    }
    return workload->n_containers > 0;
}

/* A step that is told to end may do so with exit code 0, half done. In a single pod the last
 * container does nothing of its own and starts only after all others, so that its end proves
 * theirs; a step that is alone in its pod proves nothing once the pod is being stopped. */
static bool all_succeeded(const struct lx_workload *workload, const struct lx_pod *pod)
{
    if (!all_zero(workload, pod) || is_given_up(pod))
        return false;
    const char *last = workload->containers[workload->n_containers - 1].purpose;
    return !lx_streq(last, "step") || !is_interrupted(pod);
}

/* The first container, in order, that ended badly; those that others put into the pod do not
 * count. */
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

/* A container that others put into the pod, and whose failure failed it: one that was to run before
 * ours, since those that run beside them decide nothing. */
static const struct lx_container *failed_other(const struct lx_workload *workload,
                                               const struct lx_pod *pod)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct lx_container *c = &pod->containers[i];
        if (!required(workload, c->name) && c->state == LX_CONTAINER_TERMINATED &&
            c->exit_code != 0)
            return c;
    }
    return NULL;
}

static bool has_started(const struct lx_pod *pod)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        if (pod->containers[i].state != LX_CONTAINER_WAITING)
            return true;
    }
    return false;
}

/* A container that somebody put into the pod keeps it running though our work failed. */
static bool is_held_open(const struct lx_workload *workload, const struct lx_pod *pod)
{
    if (is_interrupted(pod) || !first_failed(workload, pod))
        return false;
    bool others = false;
    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct lx_container *c = &pod->containers[i];
        bool ours = required(workload, c->name) != NULL;
        if (ours && c->state == LX_CONTAINER_RUNNING)
            return false;
        others = others || (!ours && c->state == LX_CONTAINER_RUNNING);
    }
    return others;
}

/* ---- Why it failed ---- */

/* The reason of a pod's status, or of its DisruptionTarget condition. */
static enum lx_failure_kind kind_of_pod(const char *reason)
{
    static const struct {
        const char *reason;
        enum lx_failure_kind kind;
    } table[] = {
        {"Evicted", LX_FAIL_EVICTED},
        {"EvictionByEvictionAPI", LX_FAIL_EVICTED},
        {"TerminationByKubelet", LX_FAIL_EVICTED},
        {"PreemptionByScheduler", LX_FAIL_PREEMPTED},
        {"Preempting", LX_FAIL_PREEMPTED},
        {"Preempted", LX_FAIL_PREEMPTED},
        {"NodeLost", LX_FAIL_NODE_LOST},
        {"NodeShutdown", LX_FAIL_NODE_LOST},
        {"Shutdown", LX_FAIL_NODE_LOST},
        {"Terminated", LX_FAIL_NODE_LOST},
        {"DeletionByTaintManager", LX_FAIL_NODE_LOST},
        {"DeletionByPodGC", LX_FAIL_NODE_LOST},
        {"UnexpectedAdmissionError", LX_FAIL_NODE_REFUSED},
        {"TopologyAffinityError", LX_FAIL_NODE_REFUSED},
        {"NodeAffinity", LX_FAIL_NODE_REFUSED},
        {"NodePorts", LX_FAIL_NODE_REFUSED},
        {"DeadlineExceeded", LX_FAIL_DEADLINE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (lx_streq(reason, table[i].reason))
            return table[i].kind;
    }
    return lx_starts_with(reason, "OutOf") ? LX_FAIL_NODE_REFUSED : LX_FAIL_POD_DELETED;
}

static void detail(char **field, const char *text)
{
    free(*field);
    *field = text && *text ? lx_strdup(text) : NULL;
}

/* "step step.0.run", or the key of a container that is no step. free(). */
static char *subject(const struct lx_workload_container *w)
{
    return w->step_key && *w->step_key ? lx_strf("step %s", w->step_key) : lx_strdup(w->key);
}

static const struct lx_workload_container *place(const struct lx_workload *workload,
                                                 const struct lx_pod *pod)
{
    for (size_t i = 0; i < workload->n_containers; i++) {
        const struct lx_container *c = find(pod, workload->containers[i].name);
        if (c && (c->state == LX_CONTAINER_RUNNING ||
                  (c->state == LX_CONTAINER_TERMINATED && c->exit_code != 0)))
            return &workload->containers[i];
    }
    return NULL;
}

char *lx_verdict_place(const struct lx_workload *workload, const struct lx_pod *pod)
{
    const struct lx_workload_container *at = place(workload, pod);
    return at ? subject(at) : NULL;
}

/* Records a failure of the pod as a whole, and where that met it. */
static void fail_at(const struct lx_workload *workload, const struct lx_pod *pod,
                    struct lx_failure *failure, enum lx_failure_kind kind, const char *text)
{
    const struct lx_workload_container *at = place(workload, pod);
    lx_auto(str) char *who = at ? subject(at) : NULL;
    lx_failure_set(failure, kind, "job %s failed: %s%s%s", workload->job_name, who ? who : "",
                   who ? ": " : "", text);
    if (at)
        detail(&failure->step, lx_workload_step(at));
}

/* The pod as a whole was stopped: that explains its containers' exit codes. */
static bool fail_pod(const struct lx_workload *workload, const struct lx_pod *pod,
                     struct lx_failure *failure)
{
    bool failed = lx_streq(pod->phase, "Failed");
    if (failed && (*pod->reason || *pod->message)) {
        lx_auto(str) char *text =
            lx_strf("%s%s%s", pod->reason, *pod->reason && *pod->message ? ": " : "", pod->message);
        fail_at(workload, pod, failure,
                *pod->reason ? kind_of_pod(pod->reason) : LX_FAIL_NODE_REFUSED, text);
        detail(&failure->reason, pod->reason);
        return true;
    }
    if (*pod->disruption) {
        lx_auto(str) char *reason = lx_strndup(pod->disruption, strcspn(pod->disruption, ":"));
        fail_at(workload, pod, failure, kind_of_pod(reason), pod->disruption);
        detail(&failure->reason, reason);
        return true;
    }
    return false;
}

static enum lx_failure_kind kind_of_end(const struct lx_container *c)
{
    if (lx_streq(c->reason, "OOMKilled"))
        return LX_FAIL_OUT_OF_MEMORY;
    if (lx_streq(c->reason, "ContainerStatusUnknown"))
        return LX_FAIL_NODE_LOST;
    if (lx_streq(c->reason, "StartError") || lx_streq(c->reason, "ContainerCannotRun"))
        return LX_FAIL_CONTAINER_CREATE;
    return LX_FAIL_EXIT_CODE;
}

void lx_fail_memory(const struct lx_workload *workload, const struct lx_container *c,
                    struct lx_failure *failure)
{
    const struct lx_workload_container *w = required(workload, c->name);
    bool limited = w && w->memory_limit && *w->memory_limit;
    lx_auto(str) char *who = w ? subject(w) : lx_strf("container %s", c->name);
    bool recorded =
        lx_failure_set(failure, LX_FAIL_OUT_OF_MEMORY,
                       "running command \"%s\": job %s failed: %s: killed, out of memory%s%s%s",
                       w ? w->key : c->name, workload->job_name, who, limited ? " (limit " : "",
                       limited ? w->memory_limit : "", limited ? ")" : "");
    if (recorded && limited)
        detail(&failure->limit, w->memory_limit);
}

static void fail_container(const struct lx_workload *workload, const struct lx_container *c,
                           struct lx_failure *failure)
{
    const struct lx_workload_container *w = required(workload, c->name);
    enum lx_failure_kind kind = kind_of_end(c);
    lx_auto(str) char *who = subject(w);
    bool plain = !*c->reason || lx_streq(c->reason, "Error");
    if (kind == LX_FAIL_OUT_OF_MEMORY)
        lx_fail_memory(workload, c, failure);
    else
        lx_failure_set(failure, kind,
                       "running command \"%s\": job %s failed: %s: container %s exited with code "
                       "%lld%s%s%s%s%s",
                       w->key, workload->job_name, who, c->name, (long long)c->exit_code,
                       plain ? "" : " (", plain ? "" : c->reason, plain ? "" : ")",
                       *c->message ? ": " : "", c->message);
    failure->exit_code = c->exit_code;
    detail(&failure->step, lx_workload_step(w));
    detail(&failure->reason, c->reason);
}

/* The pod came to an end, and none of the job's containers says why. */
static void fail_unexplained(const struct lx_workload *workload, const struct lx_pod *pod,
                             struct lx_failure *failure)
{
    const struct lx_container *c = failed_other(workload, pod);
    if (!c || !lx_streq(pod->phase, "Failed")) {
        lx_failure_set(failure, LX_FAIL_INTERNAL,
                       "job %s failed: pod %s ended as %s without all containers having succeeded",
                       workload->job_name, pod->name, pod->phase);
        return;
    }
    bool plain = !*c->reason || lx_streq(c->reason, "Error");
    lx_failure_set(failure, LX_FAIL_CONTAINER_CREATE,
                   "job %s failed: container %s, which is not the job's own, exited with code "
                   "%lld%s%s%s%s%s",
                   workload->job_name, c->name, (long long)c->exit_code, plain ? "" : " (",
                   plain ? "" : c->reason, plain ? "" : ")", *c->message ? ": " : "", c->message);
    detail(&failure->reason, c->reason);
}

static enum lx_verdict fail(const struct lx_evidence *evidence, struct lx_failure *failure)
{
    const struct lx_workload *workload = evidence->workload;
    const struct lx_pod *pod = evidence->pod;
    if (failure->kind != LX_FAIL_NONE || fail_pod(workload, pod, failure))
        return LX_VERDICT_FAILED;
    const struct lx_container *c = first_failed(workload, pod);
    if (c && (!pod->deleting || kind_of_end(c) != LX_FAIL_EXIT_CODE))
        fail_container(workload, c, failure);
    else if (pod->deleting || evidence->deleted) {
        lx_auto(str) char *text = lx_strf("pod %s was deleted before it ended", pod->name);
        fail_at(workload, pod, failure, LX_FAIL_POD_DELETED, text);
    } else
        fail_unexplained(workload, pod, failure);
    return LX_VERDICT_FAILED;
}

enum lx_verdict lx_verdict_of_logs(const struct lx_workload *workload,
                                   const enum lx_log_state *logs, struct lx_failure *failure)
{
    bool unread = false;
    for (size_t i = 0; i < workload->n_containers; i++) {
        if (logs[i] == LX_LOG_BROKEN) {
            lx_failure_set(failure, LX_FAIL_LOGS, "the log of container %s of job %s is incomplete",
                           workload->containers[i].name, workload->job_name);
            return LX_VERDICT_FAILED;
        }
        unread = unread || logs[i] == LX_LOG_UNREAD;
    }
    return unread ? LX_VERDICT_ENDED : LX_VERDICT_SUCCEEDED;
}

bool lx_verdict_is_ours(const struct lx_pod *pod, const char *job_uid, const char *pod_uid)
{
    bool owned = job_uid && lx_streq(pod->owner_uid, job_uid);
    return pod_uid ? lx_streq(pod->uid, pod_uid) && (owned || !*pod->owner_uid) : owned;
}

enum lx_verdict lx_verdict_of(const struct lx_evidence *evidence, struct lx_failure *failure)
{
    const struct lx_workload *workload = evidence->workload;
    const struct lx_pod *pod = evidence->pod;
    if (!pod)
        return LX_VERDICT_OPEN;
    if (!lx_verdict_is_ours(pod, evidence->job_uid, evidence->pod_uid))
        return LX_VERDICT_FOREIGN;
    if (all_succeeded(workload, pod))
        return lx_verdict_of_logs(workload, evidence->logs, failure);
    if (has_ended(pod) || evidence->deleted || is_held_open(workload, pod))
        return fail(evidence, failure);
    if (!pod->deleting || !lx_streq(pod->phase, "Pending") || has_started(pod))
        return LX_VERDICT_OPEN;
    lx_failure_set(failure, *pod->unscheduled ? LX_FAIL_UNSCHEDULABLE : LX_FAIL_POD_DELETED,
                   "job %s failed: deleted by scheduler: pod could not be scheduled%s%s",
                   workload->job_name, *pod->unscheduled ? ": " : "", pod->unscheduled);
    return LX_VERDICT_FAILED;
}
