#include "local/frontend.h"
#include "local/try.h"
#include "lunexec/queue.h"
#include "lunexec/text.h"
#include "unit.h"

#include <string.h>

static void a_spec_becomes_a_job_that_the_executor_reads(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_auto(json) json_t *spec =
        json_pack("{s:s,s:[{s:s,s:s},{s:s,s:s}]}", "name", "hello", "steps", "run", "echo 1",
                  "container", "alpine:3", "run", "echo 2", "container", "debian:12");
    lx_auto(json) json_t *payload = NULL;
    assert_int_equal(lx_try_payload(spec, "example.com/a/b", "abc", &payload, &err), 0);
    lx_auto(job) struct lx_job *job = NULL;
    assert_int_equal(lx_job_parse(payload, "batches", &job, &err), 0);
    assert_int_equal(job->version, 2);
    assert_string_equal(job->repository, "example.com/a/b");
    assert_int_equal(job->n_steps, 6);
    assert_string_equal(job->steps[4].key, "step.1.run");
    assert_string_equal(job->steps[4].image, "debian:12");
    assert_string_equal(job->steps[5].commands[0], "batcheshelper post 1");
    assert_int_equal(job->n_files, 1);
    lx_auto(json) json_t *input = NULL;
    assert_int_equal(lx_json_parse(job->files[0].content, job->files[0].content_len, &input, &err),
                     0);
    assert_string_equal(json_string_value(lx_json_path(input, "steps.1.run")), "echo 2");
}

static void a_spec_without_steps_is_refused(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_auto(json) json_t *none = json_pack("{s:s}", "name", "hello");
    lx_auto(json) json_t *half = json_pack("{s:[{s:s}]}", "steps", "run", "echo");
    json_t *payload = NULL;
    assert_int_equal(lx_try_payload(none, "r", "c", &payload, &err), -1);
    assert_int_equal(lx_try_payload(half, "r", "c", &payload, &err), -1);
    assert_non_null(strstr(err.text, "step 1"));
    assert_null(payload);
}

/* ---- what the frontend stand-in finds in logs (contract 8.4) ---- */

#define EVENT(diff)                                                                                \
    "stdout: {\"operation\":\"CACHE_AFTER_STEP_RESULT\",\"metadata\":{\"key\":\"k\",\"value\":{"   \
    "\"diff\":\"" diff "\"}}}\n"

static size_t results(const char *key, const char *out, const char *diff)
{
    struct lx_record record = {.entries = json_pack("[{s:s,s:s}]", "key", key, "out", out)};
    const char *found = NULL;
    lx_auto(json) json_t *keep = NULL;
    size_t n = lx_record_results(&record, &found, &keep);
    assert_string_equal(found, diff);
    json_decref(record.entries);
    return n;
}

static void results_are_read_from_post_entries_only(void **state)
{
    (void)state;
    assert_int_equal(results("step.kubernetes.step.0.post", EVENT("YQ=="), "YQ=="), 1);
    assert_int_equal(results("step.kubernetes.step.0.run", EVENT("YQ=="), ""), 0);
}

static void the_last_result_counts_and_noise_does_not(void **state)
{
    (void)state;
    assert_int_equal(
        results("a.post", "stdout: hello\n" EVENT("YQ==") "stderr: {}\n" EVENT("Yg=="), "Yg=="), 2);
    assert_int_equal(results("a.post", "{\"operation\":\"CACHE_AFTER_STEP_RESULT\"}\n", ""), 0);
    assert_int_equal(results("a.post", "stdout: {\"operation\":\"TASK_STEP\"}\n", ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_becomes_a_job_that_the_executor_reads),
        cmocka_unit_test(a_spec_without_steps_is_refused),
        cmocka_unit_test(results_are_read_from_post_entries_only),
        cmocka_unit_test(the_last_result_counts_and_noise_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
