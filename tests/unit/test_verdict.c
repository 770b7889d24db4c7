/*
 * Whether a job succeeded: one row for each way a pod can end.
 */
#include "job/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct lx_workload_container expected[] = {
    {.name = (char *)(uintptr_t)"setup-workspace", .key = (char *)(uintptr_t)"setup.workspace"},
    {.name = (char *)(uintptr_t)"step-a", .key = (char *)(uintptr_t)"step.kubernetes.a"},
    {.name = (char *)(uintptr_t)"main", .key = (char *)(uintptr_t)"main"},
};
static const struct lx_workload workload = {
    .job_name = (char *)(uintptr_t)"job-1",
    .containers = expected,
    .n_containers = 3,
};

#define S(text) ((char *)(uintptr_t)(text))

static struct lx_container terminated(const char *name, int64_t code, const char *reason)
{
    return (struct lx_container){.name = S(name),
                                 .state = LX_CONTAINER_TERMINATED,
                                 .exit_code = code,
                                 .reason = S(reason),
                                 .message = S("")};
}

static struct lx_container waiting(const char *name, const char *reason)
{
    return (struct lx_container){
        .name = S(name), .state = LX_CONTAINER_WAITING, .reason = S(reason), .message = S("")};
}

static struct lx_pod pod_of(const char *phase, struct lx_container *containers, size_t n)
{
    return (struct lx_pod){.name = S("pod-1"),
                           .phase = S(phase),
                           .reason = S(""),
                           .message = S(""),
                           .unscheduled = S(""),
                           .disruption = S(""),
                           .containers = containers,
                           .n_containers = n};
}

static void judge(const struct lx_pod *pod, bool deleted, enum lx_verdict verdict,
                  enum lx_failure_kind kind, const char *words)
{
    struct lx_failure failure = {0};
    assert_int_equal(lx_verdict_of(&workload, pod, deleted, &failure), verdict);
    assert_int_equal(failure.kind, kind);
    if (words && !strstr(failure.message, words))
        fail_msg("\"%s\" does not say \"%s\"", failure.message, words);
    lx_failure_done(&failure);
}

static void all_zero_succeeds(void **state)
{
    (void)state;
    struct lx_container c[] = {terminated("setup-workspace", 0, "Completed"),
                               terminated("step-a", 0, "Completed"),
                               terminated("main", 0, "Completed")};
    struct lx_pod pod = pod_of("Succeeded", c, 3);
    judge(&pod, false, LX_VERDICT_SUCCEEDED, LX_FAIL_NONE, NULL);
    /* Deleted after it was seen to have succeeded: it has succeeded. */
    judge(&pod, true, LX_VERDICT_SUCCEEDED, LX_FAIL_NONE, NULL);
}

static void phase_alone_is_no_success(void **state)
{
    (void)state;
    struct lx_container c[] = {terminated("setup-workspace", 0, "Completed"),
                               terminated("main", 0, "Completed")};
    struct lx_pod missing = pod_of("Succeeded", c, 2);
    judge(&missing, false, LX_VERDICT_FAILED, LX_FAIL_POD, "without all containers");
    struct lx_container d[] = {terminated("setup-workspace", 0, "Completed"),
                               waiting("step-a", "PodInitializing"),
                               terminated("main", 0, "Completed")};
    struct lx_pod unseen = pod_of("Succeeded", d, 3);
    judge(&unseen, false, LX_VERDICT_FAILED, LX_FAIL_POD, "without all containers");
}

static void exit_code_names_the_step(void **state)
{
    (void)state;
    struct lx_container c[] = {terminated("setup-workspace", 0, "Completed"),
                               terminated("step-a", 7, "Error"),
                               waiting("main", "PodInitializing")};
    struct lx_pod pod = pod_of("Failed", c, 3);
    judge(&pod, false, LX_VERDICT_FAILED, LX_FAIL_STEP, "step.kubernetes.a");
    judge(&pod, false, LX_VERDICT_FAILED, LX_FAIL_STEP, "exited with code 7");
    c[1].reason = S("OOMKilled");
    c[1].exit_code = 137;
    judge(&pod, false, LX_VERDICT_FAILED, LX_FAIL_STEP, "OOMKilled");
}

static void pod_reason_wins_over_exit_codes(void **state)
{
    (void)state;
    struct lx_container c[] = {terminated("step-a", 137, "Error")};
    struct lx_pod pod = pod_of("Failed", c, 1);
    pod.reason = S("DeadlineExceeded");
    pod.message = S("Pod was active on the node longer than the specified deadline");
    judge(&pod, false, LX_VERDICT_FAILED, LX_FAIL_POD, "DeadlineExceeded");
    pod.reason = pod.message = S("");
    pod.disruption = S("PreemptionByScheduler: preempted");
    judge(&pod, false, LX_VERDICT_FAILED, LX_FAIL_POD, "PreemptionByScheduler");
}

static void vanished_is_never_success(void **state)
{
    (void)state;
    struct lx_container c[] = {terminated("setup-workspace", 0, "Completed")};
    struct lx_pod pod = pod_of("Running", c, 1);
    judge(&pod, true, LX_VERDICT_FAILED, LX_FAIL_POD, "deleted before it ended");
    judge(&pod, false, LX_VERDICT_OPEN, LX_FAIL_NONE, NULL);
    struct lx_pod pending = pod_of("Pending", NULL, 0);
    judge(&pending, false, LX_VERDICT_OPEN, LX_FAIL_NONE, NULL);
    pending.deleting = true;
    pending.unscheduled = S("0/3 nodes are available");
    judge(&pending, false, LX_VERDICT_FAILED, LX_FAIL_POD, "0/3 nodes are available");
}

static void injected_sidecar_does_not_decide(void **state)
{
    (void)state;
    struct lx_container c[] = {
        terminated("setup-workspace", 0, "Completed"), terminated("step-a", 0, "Completed"),
        terminated("main", 0, "Completed"), terminated("istio-proxy", 1, "Error")};
    struct lx_pod pod = pod_of("Succeeded", c, 4);
    judge(&pod, false, LX_VERDICT_SUCCEEDED, LX_FAIL_NONE, NULL);
}

static void waiting_reasons_have_their_grace(void **state)
{
    (void)state;
    struct lx_container never = waiting("step-a", "ErrImageNeverPull");
    struct lx_container backoff = waiting("step-a", "ImagePullBackOff");
    struct lx_container normal = waiting("step-a", "PodInitializing");
    assert_int_equal(lx_waiting_grace_ms(&never), 0);
    assert_in_range(lx_waiting_grace_ms(&backoff), 30000, 600000);
    assert_true(lx_waiting_grace_ms(&normal) == UINT64_MAX);
    struct lx_container c[] = {normal, backoff};
    struct lx_pod pod = pod_of("Pending", c, 2);
    assert_ptr_equal(lx_stuck_container(&pod), &c[1]);
}

static void marks(void **state)
{
    (void)state;
    assert_int_equal(lx_failure_mark(LX_FAIL_NONE), LX_MARK_COMPLETE);
    assert_int_equal(lx_failure_mark(LX_FAIL_CANCELLED), LX_MARK_FAILED);
    assert_int_equal(lx_failure_mark(LX_FAIL_STEP), LX_MARK_ERRORED);
    struct lx_failure failure = {0};
    lx_failure_set(&failure, LX_FAIL_STEP, "first");
    lx_failure_set(&failure, LX_FAIL_CANCELLED, "second");
    assert_int_equal(failure.kind, LX_FAIL_STEP);
    assert_string_equal(failure.message, "first");
    lx_failure_done(&failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_zero_succeeds),
        cmocka_unit_test(phase_alone_is_no_success),
        cmocka_unit_test(exit_code_names_the_step),
        cmocka_unit_test(pod_reason_wins_over_exit_codes),
        cmocka_unit_test(vanished_is_never_success),
        cmocka_unit_test(injected_sidecar_does_not_decide),
        cmocka_unit_test(waiting_reasons_have_their_grace),
        cmocka_unit_test(marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
