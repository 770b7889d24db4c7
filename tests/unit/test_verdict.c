/*
 * Whether a job succeeded: one row for each state that a pod was seen in.
 */
#include "job/verdict.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define S(text) ((char *)(uintptr_t)(text))
#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct lx_workload_container single_containers[] = {
    {.name = S("setup"), .key = S("setup.workspace"), .purpose = "setup"},
    {.name = S("step"),
     .key = S("step.kubernetes.a"),
     .purpose = "step",
     .step_key = S("a"),
     .planned_image = S("busybox:1"),
     .memory_limit = S("12Gi")},
    {.name = S("main"), .key = S("main"), .purpose = "main"},
};
static struct lx_workload_container shared_containers[] = {
    {.name = S("step"), .key = S("step.kubernetes.a"), .purpose = "step", .step_key = S("a")},
};
static const struct lx_workload single = {
    .job_name = S("job-1"), .containers = single_containers, .n_containers = 3};
static const struct lx_workload shared = {
    .job_name = S("job-1"), .containers = shared_containers, .n_containers = 1};

enum flag {
    DELETING = 1,     /* has a deletionTimestamp */
    DELETED = 2,      /* the watch, or a list after a gap, says it is gone */
    OTHER_POD = 4,    /* its UID is not the one seen first */
    OTHER_JOB = 8,    /* its owner is not the Job that we created */
    SHARED = 16,      /* one step in a pod of its own, on a shared volume */
    UNREAD = 32,      /* the last container's log is not read to its end */
    BROKEN = 64,      /* and cannot be read */
    FIRST_SEEN = 128, /* no pod of the Job was seen before */
    OWNERLESS = 256,  /* its Job was deleted, and it was left */
};

/* containers: "NAME=STATE ..."; STATE is r (running), w (waiting), or an exit code, each with
 * ":Reason" or without. */
struct row {
    const char *what, *phase, *containers;
    unsigned flags;
    const char *reason, *disruption, *unscheduled;
    enum lx_verdict verdict;
    enum lx_failure_kind kind;
    const char *says;
};

#define OPEN LX_VERDICT_OPEN, LX_FAIL_NONE, NULL
#define GOOD LX_VERDICT_SUCCEEDED, LX_FAIL_NONE, NULL
#define ENDED LX_VERDICT_ENDED, LX_FAIL_NONE, NULL
#define FOREIGN LX_VERDICT_FOREIGN, LX_FAIL_NONE, NULL
#define BAD(kind, says) LX_VERDICT_FAILED, LX_FAIL_##kind, says

/* clang-format off */
static const struct row rows[] = {
    /* Not begun, underway. */
    {"just made", "Pending", "", 0, 0, 0, 0, OPEN},
    {"no phase", "", "", 0, 0, 0, 0, OPEN},
    {"waits for a node", "Pending", "", 0, 0, 0, "0/3 nodes are available", OPEN},
    {"pulls", "Pending", "setup=w:ContainerCreating step=w main=w", 0, 0, 0, 0, OPEN},
    {"back-off", "Pending", "setup=w:ImagePullBackOff step=w main=w", 0, 0, 0, 0, OPEN},
    {"bad name", "Pending", "setup=w:InvalidImageName step=w main=w", 0, 0, 0, 0, OPEN},
    {"setup runs", "Pending", "setup=r step=w:PodInitializing main=w", 0, 0, 0, 0, OPEN},
    {"step runs", "Pending", "setup=0:Completed step=r main=w", 0, 0, 0, 0, OPEN},
    {"main runs", "Running", "setup=0 step=0 main=r", 0, 0, 0, 0, OPEN},
    {"step alone runs", "Running", "step=r", SHARED, 0, 0, 0, OPEN},
    {"running without statuses", "Running", "", 0, 0, 0, 0, OPEN},
    {"main not listed yet", "Pending", "setup=0 step=0", 0, 0, 0, 0, OPEN},
    {"setup failed, pod not ended yet", "Pending", "setup=1:Error step=w main=w", 0, 0, 0, 0, OPEN},
    {"first seen", "Pending", "setup=r step=w main=w", FIRST_SEEN, 0, 0, 0, OPEN},
    /* Succeeded. */
    {"all ended well", "Succeeded", "setup=0:Completed step=0:Completed main=0:Completed", 0, 0, 0, 0, GOOD},
    {"well, phase lags behind", "Running", "setup=0 step=0 main=0", 0, 0, 0, 0, GOOD},
    {"well, phase unknown", "Unknown", "setup=0 step=0 main=0", 0, 0, 0, 0, OPEN},
    {"well, phase unknown, gone", "Unknown", "setup=0 step=0 main=0", DELETED, 0, 0, 0, BAD(POD_DELETED, "deleted")},
    {"well, no phase", "", "setup=0 step=0 main=0", 0, 0, 0, 0, GOOD},
    {"well, phase of tomorrow", "Hibernated", "setup=0 step=0 main=0", 0, 0, 0, 0, GOOD},
    {"well, seen for the first time", "Succeeded", "setup=0 step=0 main=0", FIRST_SEEN, 0, 0, 0, GOOD},
    {"well, gone since", "Succeeded", "setup=0 step=0 main=0", DELETED, 0, 0, 0, GOOD},
    {"well, deleted since", "Succeeded", "setup=0 step=0 main=0", DELETING | DELETED, 0, 0, 0, GOOD},
    {"well, evicted after it", "Failed", "setup=0 step=0 main=0", 0, "Evicted", 0, 0, BAD(EVICTED, "Evicted: because")},
    {"well, node drained after it", "Succeeded", "setup=0 step=0 main=0", DELETING, 0, "EvictionByEvictionAPI: Eviction API: evicting", 0, GOOD},
    {"well, deadline after it", "Failed", "setup=0 step=0 main=0", 0, "DeadlineExceeded", 0, 0, BAD(DEADLINE, "DeadlineExceeded")},
    {"well, though a child was out of memory", "Succeeded", "setup=0 step=0:OOMKilled main=0", 0, 0, 0, 0, GOOD},
    {"in another order", "Succeeded", "main=0 step=0 setup=0", 0, 0, 0, 0, GOOD},
    {"step alone ended well", "Succeeded", "step=0", SHARED, 0, 0, 0, GOOD},
    {"step alone well, gone in a gap", "Succeeded", "step=0", SHARED | DELETED, 0, 0, 0, GOOD},
    /* Containers of others. */
    {"injected one failed", "Failed", "setup=0 step=0 main=0 istio-proxy=1:Error", 0, 0, 0, 0, GOOD},
    {"injected one runs on", "Running", "setup=0 step=0 main=0 istio-proxy=r", 0, 0, 0, 0, GOOD},
    {"injected one cannot start", "Pending", "setup=0 step=0 main=0 vault-agent=w:ImagePullBackOff", 0, 0, 0, 0, GOOD},
    {"native sidecar killed at the end", "Succeeded", "istio-proxy=137:Error setup=0 step=0 main=0", 0, 0, 0, 0, GOOD},
    {"native sidecar runs, so do we", "Running", "istio-proxy=r setup=0 step=0 main=r", 0, 0, 0, 0, OPEN},
    {"native sidecar restarts", "Pending", "istio-proxy=w:CrashLoopBackOff setup=r step=w main=w", 0, 0, 0, 0, OPEN},
    {"ephemeral container ended well", "Pending", "setup=r step=w main=w debugger=0", 0, 0, 0, 0, OPEN},
    {"ephemeral container is no proof", "Succeeded", "debugger=0", 0, 0, 0, 0, BAD(INTERNAL, "without all containers")},
    {"main failed, injected one runs on", "Running", "setup=0 step=0 main=3:Error istio-proxy=r", 0, 0, 0, 0, BAD(EXIT_CODE, "main: container main exited with code 3")},
    {"step alone failed, injected one runs on", "Running", "step=3:Error istio-proxy=r", SHARED, 0, 0, 0, BAD(EXIT_CODE, "exited with code 3")},
    {"failed, another of ours runs", "Running", "setup=0 step=3 main=r istio-proxy=r", 0, 0, 0, 0, OPEN},
    {"injected init failed", "Failed", "istio-init=1:Error setup=w step=w main=w", 0, 0, 0, 0, BAD(CONTAINER_CREATE, "container istio-init, which is not the job's own, exited with code 1;")},
    {"injected init killed", "Failed", "istio-init=137:OOMKilled setup=w step=w main=w", 0, 0, 0, 0, BAD(CONTAINER_CREATE, "exited with code 137 (OOMKilled);")},
    /* The phase proves nothing. */
    {"succeeded without statuses", "Succeeded", "", 0, 0, 0, 0, BAD(INTERNAL, "ended as Succeeded")},
    {"succeeded, a container missing", "Succeeded", "setup=0 main=0", 0, 0, 0, 0, BAD(INTERNAL, "without all containers")},
    {"succeeded, main missing", "Succeeded", "setup=0 step=0", 0, 0, 0, 0, BAD(INTERNAL, "without all containers")},
    {"succeeded, one waits", "Succeeded", "setup=0 step=w:PodInitializing main=0", 0, 0, 0, 0, BAD(INTERNAL, "without all containers")},
    {"succeeded, one runs", "Succeeded", "setup=0 step=r main=0", 0, 0, 0, 0, BAD(INTERNAL, "without all containers")},
    {"succeeded, one without an exit code", "Succeeded", "setup=0 step=-1 main=0", 0, 0, 0, 0, BAD(EXIT_CODE, "code -1")},
    {"succeeded, one failed", "Succeeded", "setup=0 step=2 main=0", 0, 0, 0, 0, BAD(EXIT_CODE, "code 2")},
    {"failed without statuses", "Failed", "", 0, 0, 0, 0, BAD(INTERNAL, "ended as Failed")},
    {"a phase of tomorrow is no end", "Hibernated", "setup=0 step=1 main=w", 0, 0, 0, 0, OPEN},
    {"unknown phase", "Unknown", "setup=0 step=r main=w", 0, 0, 0, 0, OPEN},
    /* Exit codes. */
    {"setup failed", "Failed", "setup=128:Error step=w main=w", 0, 0, 0, 0, BAD(EXIT_CODE, "running command \"setup.workspace\": job job-1 failed: setup.workspace: container setup exited with code 128")},
    {"step failed", "Failed", "setup=0 step=7:Error main=w", 0, 0, 0, 0, BAD(EXIT_CODE, "running command \"step.kubernetes.a\": job job-1 failed: step a: container step exited with code 7")},
    {"main failed", "Failed", "setup=0 step=0 main=1:Error", 0, 0, 0, 0, BAD(EXIT_CODE, "running command \"main\"")},
    {"the first of two", "Failed", "setup=0 step=7:Error main=1:Error", 0, 0, 0, 0, BAD(EXIT_CODE, "container step")},
    {"killed by its own", "Failed", "setup=0 step=137:Error main=w", 0, 0, 0, 0, BAD(EXIT_CODE, "code 137")},
    {"an own reason is told", "Failed", "setup=0 step=9:Custom main=w", 0, 0, 0, 0, BAD(EXIT_CODE, "(Custom)")},
    {"cannot start", "Failed", "setup=0 step=128:StartError main=w", 0, 0, 0, 0, BAD(CONTAINER_CREATE, "(StartError)")},
    {"cannot run", "Failed", "setup=0 step=127:ContainerCannotRun main=w", 0, 0, 0, 0, BAD(CONTAINER_CREATE, "ContainerCannotRun")},
    {"status lost by the kubelet", "Failed", "setup=0 step=137:ContainerStatusUnknown main=w", 0, 0, 0, 0, BAD(NODE_LOST, "ContainerStatusUnknown")},
    /* Memory. */
    {"out of memory", "Failed", "setup=0 step=137:OOMKilled main=w", 0, 0, 0, 0, BAD(OUT_OF_MEMORY, "step a: killed, out of memory (limit 12Gi)")},
    {"out of memory, shell's exit code", "Failed", "setup=0 step=1:OOMKilled main=w", 0, 0, 0, 0, BAD(OUT_OF_MEMORY, "step a: killed")},
    {"out of memory, no limit", "Failed", "step=137:OOMKilled", SHARED, 0, 0, 0, BAD(OUT_OF_MEMORY, "killed, out of memory;")},
    {"setup out of memory", "Failed", "setup=137:OOMKilled step=w main=w", 0, 0, 0, 0, BAD(OUT_OF_MEMORY, "setup.workspace: killed")},
    {"out of memory and deleted", "Failed", "setup=0 step=137:OOMKilled main=w", DELETING, 0, 0, 0, BAD(OUT_OF_MEMORY, "out of memory")},
    /* Stopped from outside: that explains the exit codes. */
    {"evicted", "Failed", "setup=0 step=137:Error main=w", 0, "Evicted", 0, 0, BAD(EVICTED, "job job-1 failed: step a: Evicted: because")},
    {"evicted before it ran", "Failed", "", 0, "Evicted", 0, 0, BAD(EVICTED, "job job-1 failed: Evicted")},
    {"step alone told to end, ends with 0", "Failed", "step=0", SHARED, "Evicted", 0, 0, BAD(EVICTED, "Evicted")},
    {"the same by the condition alone", "Succeeded", "step=0", SHARED, 0, "EvictionByEvictionAPI: Eviction API: evicting", 0, BAD(EVICTED, "EvictionByEvictionAPI")},
    {"the same by a deletion", "Succeeded", "step=0", SHARED | DELETING, 0, 0, 0, BAD(POD_DELETED, "deleted before it ended")},
    {"drained", "Failed", "setup=0 step=143:Error main=w", DELETING, 0, "EvictionByEvictionAPI: Eviction API: evicting", 0, BAD(EVICTED, "EvictionByEvictionAPI")},
    {"node under pressure", "Failed", "setup=0 step=137 main=w", 0, 0, "TerminationByKubelet: The node was low on resource: memory", 0, BAD(EVICTED, "low on resource")},
    {"preempted", "Failed", "setup=0 step=143 main=w", DELETING, 0, "PreemptionByScheduler: preempting", 0, BAD(PREEMPTED, "PreemptionByScheduler")},
    {"preempted by a critical pod", "Failed", "setup=0 step=137 main=w", 0, "Preempting", 0, 0, BAD(PREEMPTED, "Preempting")},
    {"preempted and gone", "Running", "setup=0 step=r main=w", DELETING | DELETED, 0, "PreemptionByScheduler: preempting", 0, BAD(PREEMPTED, "job job-1 failed: step a: PreemptionByScheduler")},
    {"node lost", "Failed", "setup=0 step=r main=w", 0, "NodeLost", 0, 0, BAD(NODE_LOST, "NodeLost")},
    {"node shut down", "Failed", "setup=0 step=137 main=w", 0, "Terminated", 0, 0, BAD(NODE_LOST, "Terminated")},
    {"node shut down (older)", "Failed", "setup=0 step=137 main=w", 0, "NodeShutdown", 0, 0, BAD(NODE_LOST, "NodeShutdown")},
    {"node tainted", "Failed", "setup=0 step=143 main=w", DELETING, 0, "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint", 0, BAD(NODE_LOST, "Taint manager")},
    {"orphan collected", "Failed", "setup=0 step=r main=w", DELETED, 0, "DeletionByPodGC: PodGC: node no longer exists", 0, BAD(NODE_LOST, "PodGC")},
    {"refused by the kubelet", "Failed", "", 0, "OutOfpods", 0, 0, BAD(NODE_REFUSED, "OutOfpods")},
    {"refused for devices", "Failed", "", 0, "UnexpectedAdmissionError", 0, 0, BAD(NODE_REFUSED, "UnexpectedAdmissionError")},
    {"the pod's deadline", "Failed", "setup=0 step=137 main=w", 0, "DeadlineExceeded", 0, 0, BAD(DEADLINE, "DeadlineExceeded")},
    {"disruption announced, pod lives", "Running", "setup=0 step=0 main=r", 0, 0, "PreemptionByScheduler: preempting", 0, OPEN},
    /* Deleted, vanished. */
    {"ending", "Running", "setup=0 step=0 main=r", DELETING, 0, 0, 0, OPEN},
    {"ending during its init containers", "Pending", "setup=0 step=r main=w", DELETING, 0, 0, 0, OPEN},
    {"deleted while it ran", "Running", "setup=0 step=0 main=r", DELETING | DELETED, 0, 0, 0, BAD(POD_DELETED, "job job-1 failed: main: pod pod-1 was deleted before it ended")},
    {"deleted, step told to end", "Failed", "setup=0 step=143:Error main=w", DELETING, 0, 0, 0, BAD(POD_DELETED, "deleted before it ended")},
    {"vanished in a gap", "Pending", "setup=0 step=r main=w", DELETED, 0, 0, 0, BAD(POD_DELETED, "deleted before it ended")},
    {"vanished before it began", "Pending", "", DELETED, 0, 0, 0, BAD(POD_DELETED, "deleted before it ended")},
    {"vanished, all but main", "Running", "setup=0 step=0 main=w", DELETED, 0, 0, 0, BAD(POD_DELETED, "deleted before it ended")},
    {"vanished, failed step known", "Pending", "setup=0 step=7:Error main=w", DELETED, 0, 0, 0, BAD(EXIT_CODE, "code 7")},
    {"unknown and vanished", "Unknown", "setup=0 step=0 main=r", DELETED, 0, 0, 0, BAD(POD_DELETED, "deleted")},
    {"deleted before it had a node", "Pending", "", DELETING, 0, 0, "0/3 nodes are available", BAD(UNSCHEDULABLE, "deleted by scheduler: pod could not be scheduled: 0/3 nodes")},
    {"deleted before it began", "Pending", "setup=w step=w main=w", DELETING, 0, 0, 0, BAD(POD_DELETED, "could not be scheduled")},
    /* Gone backwards. */
    {"setup runs again", "Pending", "setup=r step=0 main=w", 0, 0, 0, 0, OPEN},
    {"main done, setup again", "Running", "setup=w:PodInitializing step=0 main=0", 0, 0, 0, 0, OPEN},
    {"all done, statuses lost", "Running", "", 0, 0, 0, 0, OPEN},
    {"backwards, then gone", "Pending", "setup=r step=0 main=0", DELETED, 0, 0, 0, BAD(POD_DELETED, "deleted before it ended")},
    {"backwards, then ended", "Succeeded", "setup=w step=0 main=0", 0, 0, 0, 0, BAD(INTERNAL, "without all containers")},
    /* Whose pod. */
    {"replaced pod, well", "Succeeded", "setup=0 step=0 main=0", OTHER_POD, 0, 0, 0, FOREIGN},
    {"replaced pod, failed", "Failed", "setup=1 step=w main=w", OTHER_POD, 0, 0, 0, FOREIGN},
    {"replaced pod, gone", "Running", "setup=r step=w main=w", OTHER_POD | DELETED, 0, 0, 0, FOREIGN},
    {"of a Job of the same name, well", "Succeeded", "setup=0 step=0 main=0", OTHER_JOB, 0, 0, 0, FOREIGN},
    {"of an earlier Job, first seen", "Failed", "setup=1 step=w main=w", OTHER_JOB | FIRST_SEEN, 0, 0, 0, FOREIGN},
    {"its Job deleted without it, well", "Succeeded", "setup=0 step=0 main=0", OWNERLESS, 0, 0, 0, GOOD},
    {"its Job deleted without it, failed", "Failed", "setup=0 step=3 main=w", OWNERLESS, 0, 0, 0, BAD(EXIT_CODE, "code 3")},
    {"of no Job, first seen", "Succeeded", "setup=0 step=0 main=0", OWNERLESS | FIRST_SEEN, 0, 0, 0, FOREIGN},
    {"of no Job, another pod", "Succeeded", "setup=0 step=0 main=0", OWNERLESS | OTHER_POD, 0, 0, 0, FOREIGN},
    /* Logs. */
    {"well, logs still read", "Succeeded", "setup=0 step=0 main=0", UNREAD, 0, 0, 0, ENDED},
    {"well, gone, logs still read", "Succeeded", "setup=0 step=0 main=0", UNREAD | DELETED, 0, 0, 0, ENDED},
    {"well, a log is incomplete", "Succeeded", "setup=0 step=0 main=0", BROKEN, 0, 0, 0, BAD(LOGS, "log of container main of job job-1 is incomplete")},
    {"failed, a log is incomplete", "Failed", "setup=0 step=7 main=w", BROKEN, 0, 0, 0, BAD(EXIT_CODE, "code 7")},
    {"runs, a log is incomplete", "Running", "setup=0 step=0 main=r", BROKEN, 0, 0, 0, OPEN},
};
/* clang-format on */

/* "NAME=STATE[:Reason]"; the texts live in `spec`. */
static struct lx_container container_of_spec(char *spec)
{
    struct lx_container c = {.reason = S(""),
                             .message = S(""),
                             .container_id = S("containerd://1"),
                             .started_at = S(""),
                             .finished_at = S("")};
    char *value = strchr(spec, '=');
    assert_non_null(value);
    *value++ = '\0';
    c.name = spec;
    char *reason = strchr(value, ':');
    if (reason) {
        *reason = '\0';
        c.reason = reason + 1;
    }
    if (lx_streq(value, "r"))
        c.state = LX_CONTAINER_RUNNING;
    else if (lx_streq(value, "w"))
        c.state = LX_CONTAINER_WAITING;
    else {
        c.state = LX_CONTAINER_TERMINATED;
        assert_int_equal(lx_parse_i64(value, &c.exit_code), 0);
    }
    return c;
}

static struct lx_pod pod_of(const struct row *row)
{
    return (struct lx_pod){
        .name = S("pod-1"),
        .uid = S(row->flags & OTHER_POD ? "pod-uid-2" : "pod-uid-1"),
        .owner_uid = S(row->flags & OWNERLESS   ? ""
                       : row->flags & OTHER_JOB ? "job-uid-2"
                                                : "job-uid-1"),
        .node = S("node-1"),
        .phase = S(row->phase),
        .reason = S(row->reason ? row->reason : ""),
        .message = S(row->reason ? "because" : ""),
        .unscheduled = S(row->unscheduled ? row->unscheduled : ""),
        .disruption = S(row->disruption ? row->disruption : ""),
        .deleting = row->flags & DELETING,
    };
}

static void judge(const struct row *row)
{
    struct lx_container containers[8];
    struct lx_pod pod = pod_of(row);
    lx_auto(strv) char **specs = lx_split(row->containers, ' ');
    for (char **spec = specs; *spec && **spec; spec++) {
        assert_true(pod.n_containers < COUNT(containers));
        containers[pod.n_containers++] = container_of_spec(*spec);
    }
    pod.containers = containers;
    const struct lx_workload *workload = row->flags & SHARED ? &shared : &single;
    enum lx_log_state logs[3] = {LX_LOG_READ, LX_LOG_READ, LX_LOG_READ};
    if (row->flags & (UNREAD | BROKEN))
        logs[2] = row->flags & BROKEN ? LX_LOG_BROKEN : LX_LOG_UNREAD;
    struct lx_evidence evidence = {
        .workload = workload,
        .job_uid = "job-uid-1",
        .pod_uid = row->flags & FIRST_SEEN ? NULL : "pod-uid-1",
        .pod = &pod,
        .deleted = row->flags & DELETED,
        .logs = logs,
    };
    struct lx_failure failure = {0};
    enum lx_verdict verdict = lx_verdict_of(&evidence, &failure);
    if (verdict != row->verdict || failure.kind != row->kind)
        fail_msg("%s: verdict %d, %s; not %d, %s", row->what, verdict,
                 lx_failure_name(failure.kind), row->verdict, lx_failure_name(row->kind));
    if (row->says && !strstr(failure.message, row->says))
        fail_msg("%s: \"%s\" does not say \"%s\"", row->what, failure.message, row->says);
    lx_failure_done(&failure);
}

static void every_state(void **state)
{
    (void)state;
    assert_true(COUNT(rows) >= 80);
    for (size_t i = 0; i < COUNT(rows); i++)
        judge(&rows[i]);
}

static void nothing_seen_is_open(void **state)
{
    (void)state;
    struct lx_failure failure = {0};
    struct lx_evidence evidence = {.workload = &single, .job_uid = "job-uid-1"};
    assert_int_equal(lx_verdict_of(&evidence, &failure), LX_VERDICT_OPEN);
}

/* Whatever else is true of a pod, one required container that was not seen to end with 0 is no
 * success. */
static void no_success_without_every_container(void **state)
{
    (void)state;
    static const char *const phases[] = {"Pending", "Running", "Succeeded",
                                         "Failed",  "Unknown", ""};
    static const char *const last[] = {"main=r", "main=w", "main=1", "main=-1", ""};
    for (size_t p = 0; p < COUNT(phases); p++) {
        for (size_t l = 0; l < COUNT(last); l++) {
            for (unsigned flags = 0; flags < 4; flags++) {
                lx_auto(str) char *text =
                    lx_strf("setup=0 step=0%s%s", *last[l] ? " " : "", last[l]);
                lx_auto(strv) char **specs = lx_split(text, ' ');
                struct row row = {.phase = phases[p], .flags = flags};
                struct lx_container containers[3];
                struct lx_pod pod = pod_of(&row);
                for (char **spec = specs; *spec; spec++)
                    containers[pod.n_containers++] = container_of_spec(*spec);
                pod.containers = containers;
                enum lx_log_state logs[3] = {LX_LOG_READ, LX_LOG_READ, LX_LOG_READ};
                struct lx_evidence evidence = {&single, "job-uid-1",     "pod-uid-1",
                                               &pod,    flags & DELETED, logs};
                struct lx_failure failure = {0};
                enum lx_verdict verdict = lx_verdict_of(&evidence, &failure);
                assert_true(verdict == LX_VERDICT_OPEN || verdict == LX_VERDICT_FAILED);
                lx_failure_done(&failure);
            }
        }
    }
}

static void details_of_a_failure(void **state)
{
    (void)state;
    struct row row = {.phase = "Failed"};
    struct lx_pod pod = pod_of(&row);
    lx_auto(str) char *spec = lx_strdup("step=137:OOMKilled");
    struct lx_container c = container_of_spec(spec);
    pod.containers = &c;
    pod.n_containers = 1;
    enum lx_log_state logs[3] = {0};
    struct lx_evidence evidence = {&single, "job-uid-1", "pod-uid-1", &pod, false, logs};
    struct lx_failure failure = {0};
    assert_int_equal(lx_verdict_of(&evidence, &failure), LX_VERDICT_FAILED);
    assert_string_equal(failure.step, "a");
    assert_string_equal(failure.reason, "OOMKilled");
    assert_string_equal(failure.limit, "12Gi");
    assert_int_equal(failure.exit_code, 137);
    lx_failure_done(&failure);
}

static void what_a_pod_waits_for(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *message;
        enum lx_failure_kind kind;
        uint64_t grace_ms;
        const char *says;
    } table[] = {
        {"step=w:PodInitializing", "", LX_FAIL_NONE, UINT64_MAX, NULL},
        {"step=r:ImagePullBackOff", "", LX_FAIL_NONE, UINT64_MAX, NULL},
        {"step=w:InvalidImageName", "couldn't parse", LX_FAIL_IMAGE_NAME, 0,
         "step a: container step cannot start: the image's name is not valid (busybox:1): "
         "InvalidImageName: couldn't parse"},
        {"step=w:ErrImageNeverPull", "not present", LX_FAIL_IMAGE_NOT_FOUND, 0, "is not there"},
        {"step=w:ErrImagePull", "rpc error: code = NotFound desc = x: not found",
         LX_FAIL_IMAGE_NOT_FOUND, 15000, "not found"},
        {"step=w:ErrImagePull", "manifest unknown", LX_FAIL_IMAGE_NOT_FOUND, 15000,
         "the image is not there (busybox:1): ErrImagePull: manifest unknown"},
        {"step=w:ErrImagePull", "failed to authorize: 401 Unauthorized", LX_FAIL_IMAGE_UNAUTHORIZED,
         15000, "the registry does not let the cluster pull the image (busybox:1): "},
        {"step=w:ErrImagePull", "pull access denied, repository does not exist or may require x",
         LX_FAIL_IMAGE_UNAUTHORIZED, 15000, NULL},
        {"step=w:ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout", LX_FAIL_IMAGE_PULL, 120000,
         "cannot be pulled"},
        {"step=w:ImagePullBackOff", "Back-off pulling image", LX_FAIL_IMAGE_PULL, 120000, NULL},
        {"step=w:CreateContainerConfigError", "secret \"x\" not found", LX_FAIL_CONTAINER_CREATE,
         30000, "secret \"x\" not found"},
        {"istio=w:CreateContainerError", "", LX_FAIL_CONTAINER_CREATE, 30000,
         "job job-1 failed: container istio cannot start: CreateContainerError"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct row row = {.phase = "Pending"};
        struct lx_pod pod = pod_of(&row);
        lx_auto(str) char *spec = lx_strdup(table[i].spec);
        struct lx_container c = container_of_spec(spec);
        c.message = S(table[i].message);
        pod.containers = &c;
        pod.n_containers = 1;
        struct lx_stuck stuck = lx_stuck_of(&pod);
        assert_int_equal(stuck.kind, table[i].kind);
        assert_true(lx_stuck_grace_ms(&stuck) == table[i].grace_ms);
        struct lx_failure failure = {0};
        if (stuck.kind != LX_FAIL_NONE)
            lx_stuck_fail(&stuck, &single, &failure);
        if (table[i].says && !strstr(failure.message, table[i].says))
            fail_msg("\"%s\" does not say \"%s\"", failure.message, table[i].says);
        lx_failure_done(&failure);
    }
}

/* Seen on a real kubelet: the pod neither goes on nor fails. */
static void killed_inside_an_init_container(void **state)
{
    (void)state;
    struct row row = {.phase = "Pending"};
    struct lx_pod pod = pod_of(&row);
    char specs[3][32] = {"setup=0:Completed", "step=0:OOMKilled", "main=w:PodInitializing"};
    struct lx_container c[3];
    for (size_t i = 0; i < 3; i++) {
        c[i] = container_of_spec(specs[i]);
        c[i].init = i < 2;
    }
    pod.containers = c;
    pod.n_containers = 3;
    struct lx_stuck stuck = lx_stuck_of(&pod);
    assert_int_equal(stuck.kind, LX_FAIL_OUT_OF_MEMORY);
    assert_in_range(lx_stuck_grace_ms(&stuck), 1000, 30000);
    struct lx_failure failure = {0};
    lx_stuck_fail(&stuck, &single, &failure);
    assert_non_null(strstr(failure.message, "step a: killed, out of memory (limit 12Gi)"));
    assert_string_equal(failure.step, "a");
    assert_string_equal(failure.limit, "12Gi");
    lx_failure_done(&failure);
    c[2].state = LX_CONTAINER_RUNNING; /* another kubelet goes on */
    assert_int_equal(lx_stuck_of(&pod).kind, LX_FAIL_NONE);
}

static void what_a_pod_as_a_whole_waits_for(void **state)
{
    (void)state;
    struct row row = {.phase = "Pending", .unscheduled = "0/3 nodes are available"};
    struct lx_pod pod = pod_of(&row);
    assert_int_equal(lx_stuck_of(&pod).kind, LX_FAIL_NONE); /* it has a node since */
    pod.node = S("");
    struct lx_stuck stuck = lx_stuck_of(&pod);
    assert_int_equal(stuck.kind, LX_FAIL_UNSCHEDULABLE);
    assert_true(lx_stuck_grace_ms(&stuck) == UINT64_MAX);
    pod.deleting = true;
    stuck = lx_stuck_of(&pod);
    assert_int_equal(stuck.kind, LX_FAIL_NODE_LOST);
    assert_in_range(lx_stuck_grace_ms(&stuck), 60000, 600000);
    pod.deleting = false;
    pod.node = S("node-1");
    pod.unready = true;
    stuck = lx_stuck_of(&pod);
    assert_int_equal(stuck.kind, LX_FAIL_POD_SETUP);
    assert_in_range(lx_stuck_grace_ms(&stuck), 300000, 900000);
    char spec[] = "setup=0:Completed"; /* its sandbox was there, and is gone with the pod's end */
    struct lx_container c = container_of_spec(spec);
    pod.containers = &c;
    pod.n_containers = 1;
    assert_int_equal(lx_stuck_of(&pod).kind, LX_FAIL_NONE);
    stuck = lx_stuck_of(NULL);
    assert_int_equal(stuck.kind, LX_FAIL_NO_POD);
    assert_in_range(lx_stuck_grace_ms(&stuck), 60000, 600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state),
        cmocka_unit_test(nothing_seen_is_open),
        cmocka_unit_test(no_success_without_every_container),
        cmocka_unit_test(details_of_a_failure),
        cmocka_unit_test(what_a_pod_waits_for),
        cmocka_unit_test(what_a_pod_as_a_whole_waits_for),
        cmocka_unit_test(killed_inside_an_init_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
