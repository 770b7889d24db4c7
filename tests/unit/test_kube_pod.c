/* Pod objects made into records: what a verdict rests on. */
#include "kube/pod.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct lx_pod *parse(const char *text)
{
    lx_auto(json) json_t *object = NULL;
    struct lx_pod *pod = NULL;
    assert_int_equal(lx_json_parse(text, strlen(text), &object, NULL), 0);
    assert_int_equal(lx_pod_parse(object, &pod, NULL), 0);
    return pod;
}

static const char full[] =
    "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
    "\"labels\":{\"job-name\":\"old\",\"batch.kubernetes.io/job-name\":\"j\"},"
    "\"ownerReferences\":[{\"uid\":\"no\"},{\"uid\":\"owner\",\"controller\":true}]},"
    "\"spec\":{\"nodeName\":\"n1\"},"
    "\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"low on memory\","
    "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"},"
    "{\"type\":\"DisruptionTarget\",\"status\":\"True\",\"reason\":\"EvictionByEvictionAPI\","
    "\"message\":\"evicting\"}],"
    "\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"waiting\":{\"reason\":"
    "\"PodInitializing\"}}}],"
    "\"initContainerStatuses\":["
    "{\"name\":\"a\",\"restartCount\":2,\"containerID\":\"containerd://1\",\"state\":{"
    "\"terminated\":{\"exitCode\":7,\"reason\":\"Error\",\"message\":\"m\",\"startedAt\":\"S\","
    "\"finishedAt\":\"F\"}}},"
    "{\"name\":\"b\",\"state\":{\"running\":{\"startedAt\":\"S2\"}}},"
    "{\"name\":\"c\",\"state\":{\"terminated\":{\"containerID\":\"containerd://3\"}}}]}}";

static void test_full(void **state)
{
    (void)state;
    lx_auto(pod) struct lx_pod *pod = parse(full);
    assert_string_equal(pod->name, "p");
    assert_string_equal(pod->uid, "u");
    assert_string_equal(pod->node, "n1");
    assert_string_equal(pod->job_name, "j");
    assert_string_equal(pod->owner_uid, "owner");
    assert_string_equal(pod->phase, "Failed");
    assert_string_equal(pod->reason, "Evicted");
    assert_string_equal(pod->message, "low on memory");
    assert_true(pod->deleting);
    assert_string_equal(pod->unscheduled, "");
    assert_string_equal(pod->disruption, "EvictionByEvictionAPI: evicting");
    assert_int_equal(pod->n_containers, 4);
    const struct lx_container *a = &pod->containers[0], *b = a + 1, *c = a + 2, *d = a + 3;
    assert_string_equal(a->name, "a");
    assert_true(a->init);
    assert_int_equal(a->state, LX_CONTAINER_TERMINATED);
    assert_int_equal(a->exit_code, 7);
    assert_int_equal(a->restart_count, 2);
    assert_string_equal(a->reason, "Error");
    assert_string_equal(a->message, "m");
    assert_string_equal(a->container_id, "containerd://1");
    assert_string_equal(a->started_at, "S");
    assert_string_equal(a->finished_at, "F");
    assert_int_equal(b->state, LX_CONTAINER_RUNNING);
    assert_string_equal(b->started_at, "S2");
    assert_int_equal(c->exit_code, -1); /* not stated: no success */
    assert_string_equal(c->container_id, "containerd://3");
    assert_string_equal(d->name, "main");
    assert_false(d->init);
    assert_int_equal(d->state, LX_CONTAINER_WAITING);
    assert_string_equal(d->reason, "PodInitializing");
}

static void test_bare(void **state)
{
    (void)state;
    lx_auto(pod) struct lx_pod *pod = parse("{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"}}");
    assert_int_equal(pod->n_containers, 0);
    assert_string_equal(pod->phase, "");
    assert_string_equal(pod->owner_uid, "");
    assert_false(pod->deleting);
}

static void test_unscheduled(void **state)
{
    (void)state;
    lx_auto(pod) struct lx_pod *pod =
        parse("{\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"labels\":{\"job-name\":\"j\"}},"
              "\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\","
              "\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":\"0/1 nodes\"}]}}");
    assert_string_equal(pod->unscheduled, "0/1 nodes");
    assert_string_equal(pod->job_name, "j");
}

static void test_not_ready(void **state)
{
    (void)state;
    static const char *const words[] = {"False", "True", "Unknown"};
    for (size_t i = 0; i < 3; i++) {
        lx_auto(str) char *text = lx_strf(
            "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"status\":{\"conditions\":[{\"type\":"
            "\"PodReadyToStartContainers\",\"status\":\"%s\"}]}}",
            words[i]);
        lx_auto(pod) struct lx_pod *pod = parse(text);
        assert_int_equal(pod->unready, i == 0);
    }
}

static void test_cut_text(void **state)
{
    (void)state;
    struct lx_buf text = LX_BUF_INIT(65536);
    assert_int_equal(
        lx_buf_adds(&text,
                    "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"status\":{\"message\":\"x",
                    NULL),
        0);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(lx_buf_adds(&text, "\xc3\xa9", NULL), 0);
    assert_int_equal(lx_buf_adds(&text, "\"}}", NULL), 0);
    lx_auto(pod) struct lx_pod *pod = parse(lx_buf_str(&text));
    size_t len = strlen(pod->message);
    assert_int_equal(len, 4095); /* 1 + 2 * 2047: no half character */
    lx_buf_done(&text);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "[]", "{\"metadata\":{\"name\":\"p\"}}",
                                        "{\"metadata\":{\"uid\":\"u\"}}"};
    for (size_t i = 0; i < 4; i++) {
        lx_auto(json) json_t *object = NULL;
        struct lx_pod *pod = NULL;
        struct lx_err err;
        assert_int_equal(lx_json_parse(texts[i], strlen(texts[i]), &object, NULL), 0);
        assert_int_equal(lx_pod_parse(object, &pod, &err), -1);
        assert_int_equal(err.code, LX_E_PEER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_unscheduled), cmocka_unit_test(test_not_ready),
        cmocka_unit_test(test_cut_text),    cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
