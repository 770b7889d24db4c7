/* The job payload: the samples of contract 2.2 and 2.3, and a table of what is refused. */
#include "lunexec/queue.h"
#include "lunexec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct lx_job *parse(const char *text, const char *queue)
{
    lx_auto(json) json_t *payload = NULL;
    struct lx_err err = {0};
    struct lx_job *job = NULL;
    assert_int_equal(lx_json_parse(text, strlen(text), &payload, &err), 0);
    if (lx_job_parse(payload, queue, &job, &err) < 0)
        fail_msg("%s", err.text);
    return job;
}

static void expect_refusal(const char *text, const char *queue, const char *reason)
{
    lx_auto(json) json_t *payload = NULL;
    struct lx_err err = {0};
    struct lx_job *job = NULL;
    assert_int_equal(lx_json_parse(text, strlen(text), &payload, &err), 0);
    if (lx_job_parse(payload, queue, &job, &err) == 0)
        fail_msg("accepted: %s", text);
    assert_null(job);
    assert_int_equal(err.code, LX_E_INVALID);
    if (!strstr(err.text, reason))
        fail_msg("%s\ngave: %s\nnot: %s", text, err.text, reason);
}

static const char batches_sample[] =
    "{\"version\": 2, \"id\": 42, \"token\": \"3f1c9a0d5b7e4c2188f0aa11bb22cc33dd44ee55\","
    " \"repositoryName\": \"github.com/acme/widgets\", \"repositoryDirectory\": \"repository\","
    " \"commit\": \"0123456789abcdef0123456789abcdef01234567\","
    " \"fetchTags\": false, \"shallowClone\": true, \"sparseCheckout\": null,"
    " \"files\": {"
    "  \"input.json\": {\"content\": "
    "\"eyJCYXRjaENoYW5nZUF0dHJpYnV0ZXMiOnsiTmFtZSI6ImhlbGxvLXdvcmxkIiwiRGVzY3JpcHRpb24iOiJBZGQgSGVs"
    "bG8gV29ybGQgdG8gUkVBRE1FcyJ9LCJyZXBvc2l0b3J5Ijp7ImlkIjoiVW1Wd2IzTnBkRzl5ZVRvMU5qYzQiLCJuYW1lIj"
    "oiZ2l0aHViLmNvbS9hY21lL3dpZGdldHMifSwiYnJhbmNoIjp7Im5hbWUiOiJyZWZzL2hlYWRzL21haW4iLCJ0YXJnZXQi"
    "Onsib2lkIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2NyJ9fSwicGF0aCI6IiIsIm9ubHlGZX"
    "RjaFdvcmtzcGFjZSI6ZmFsc2UsInN0ZXBzIjpbeyJydW4iOiJlY2hvIEhlbGxvIHwgdGVlIC1hIFJFQURNRS5tZCIsImNv"
    "bnRhaW5lciI6ImFscGluZTozIn1dLCJzZWFyY2hSZXN1bHRQYXRocyI6WyJSRUFETUUubWQiXSwiY2FjaGVkU3RlcFJlc3"
    "VsdEZvdW5kIjpmYWxzZSwiY2FjaGVkU3RlcFJlc3VsdCI6eyJjaGFuZ2VkRmlsZXMiOnsibW9kaWZpZWQiOm51bGwsImFk"
    "ZGVkIjpudWxsLCJkZWxldGVkIjpudWxsLCJyZW5hbWVkIjpudWxsfSwic3Rkb3V0IjoiIiwic3RkZXJyIjoiIiwic3RlcE"
    "luZGV4IjowLCJkaWZmIjoiIiwib3V0cHV0cyI6bnVsbH0sInNraXBwZWRTdGVwcyI6e319\","
    "   \"modifiedAt\": \"0001-01-01T00:00:00Z\"},"
    "  \"workspace-files/scripts/tool.sh\": {"
    "   \"bucket\": \"batch-changes\", \"key\": \"specRand123/fileRand456\","
    "   \"modifiedAt\": \"2024-06-03T10:20:30.123456Z\"}},"
    " \"dockerSteps\": ["
    "  {\"key\":\"step.0.pre\",\"image\":\"sourcegraph/batcheshelper:5.6.185\","
    "   \"commands\":[\"batcheshelper pre 0\"],\"dir\":\".\",\"env\":[\"GITHUB_TOKEN=s3cr3t\"]},"
    "  {\"key\":\"step.0.run\",\"image\":\"alpine:3\","
    "   \"commands\":[\"{ set +x; } 2>/dev/null\",\"{ set -eo pipefail; } 2>/dev/null\","
    "    \"(exec \\\"../step0.sh\\\" | tee ../stdout0.log) 3>&1 1>&2 2>&3 | tee ../stderr0.log\"],"
    "   \"dir\":\"repository\",\"env\":null},"
    "  {\"key\":\"step.0.post\",\"image\":\"sourcegraph/batcheshelper:5.6.185\","
    "   \"commands\":[\"batcheshelper post 0\"],\"dir\":\".\",\"env\":[\"GITHUB_TOKEN=s3cr3t\"]}],"
    " \"cliSteps\": null,"
    " \"redactedValues\": {\"s3cr3t\": \"${{ secrets.GITHUB_TOKEN }}\"},"
    " \"dockerAuthConfig\": {}}";

static void batches_sample_is_read(void **state)
{
    (void)state;
    lx_auto(job) struct lx_job *job = parse(batches_sample, "batches");
    assert_int_equal(job->version, 2);
    assert_int_equal(job->id, 42);
    assert_string_equal(job->uid, "42");
    assert_string_equal(job->queue, "batches");
    assert_false(job->queue_in_payload);
    assert_string_equal(job->token, "3f1c9a0d5b7e4c2188f0aa11bb22cc33dd44ee55");
    assert_string_equal(job->repository, "github.com/acme/widgets");
    assert_string_equal(job->repository_dir, "repository");
    assert_string_equal(job->commit, "0123456789abcdef0123456789abcdef01234567");
    assert_false(job->fetch_tags);
    assert_true(job->shallow_clone);
    assert_int_equal(lx_strv_len(job->sparse_checkout), 0);

    assert_int_equal(job->n_files, 2);
    assert_string_equal(job->files[0].path, "input.json");
    assert_int_equal(job->files[0].content_len, 615);
    assert_int_equal(strlen(job->files[0].content), 615);
    assert_true(lx_starts_with(job->files[0].content, "{\"BatchChangeAttributes\":{"));
    assert_null(job->files[0].bucket);
    assert_false(job->files[0].has_mtime);
    assert_null(job->files[1].content);
    assert_string_equal(job->files[1].bucket, "batch-changes");
    assert_string_equal(job->files[1].key, "specRand123/fileRand456");
    assert_true(job->files[1].has_mtime);
    assert_int_equal(job->files[1].mtime.tv_sec, 1717410030);
    assert_int_equal(job->files[1].mtime.tv_nsec, 123456000);

    assert_int_equal(job->n_steps, 3);
    assert_string_equal(job->steps[0].key, "step.0.pre");
    assert_string_equal(job->steps[0].env[0], "GITHUB_TOKEN=s3cr3t");
    assert_string_equal(job->steps[1].image, "alpine:3");
    assert_int_equal(lx_strv_len(job->steps[1].commands), 3);
    assert_string_equal(job->steps[1].dir, "repository");
    assert_int_equal(lx_strv_len(job->steps[1].env), 0);
    assert_int_equal(job->n_cli_steps, 0);
    assert_int_equal(job->n_secrets, 1);
    assert_string_equal(job->secrets[0].value, "s3cr3t");
    assert_string_equal(job->secrets[0].replacement, "${{ secrets.GITHUB_TOKEN }}");
    assert_non_null(job->docker_auth);
    assert_int_equal(json_object_size(job->docker_auth), 0);
}

static const char codeintel_sample[] =
    "{\"version\":2,\"id\":42,\"token\":\"3f1c9a0d5b7e4c2188f0aa11bb22cc33dd44ee55\","
    "\"repositoryName\":\"linux\",\"repositoryDirectory\":\"\",\"commit\":\"deadbeef\","
    "\"fetchTags\":false,\"shallowClone\":true,\"sparseCheckout\":null,\"files\":{},"
    "\"dockerSteps\":["
    "{\"key\":\"pre-index.0\",\"image\":\"alpine\",\"commands\":[\"yarn\",\"install\"],"
    "\"dir\":\"web\",\"env\":[\"VM_CPUS=4\",\"VM_MEM=12.0 GB\",\"VM_MEM_GB=12\","
    "\"VM_MEM_MB=12288\",\"VM_DISK=20.0 GB\",\"VM_DISK_GB=20\",\"VM_DISK_MB=20480\"]},"
    "{\"key\":\"indexer\",\"image\":\"sourcegraph/scip-go\",\"commands\":[\"scip-go -o "
    "dump.scip\"],"
    "\"dir\":\"web\",\"env\":[\"VM_CPUS=4\",\"VM_MEM=12.0 GB\"]},"
    "{\"key\":\"upload\",\"image\":\"sourcegraph/src-cli:5.6.0\",\"commands\":[\"src code-intel "
    "upload -no-progress -repo linux -commit deadbeef -root web -upload-route "
    "/.executors/lsif/upload -file dump.scip -associated-index-id 42\"],\"dir\":\"web\","
    "\"env\":[\"SRC_ENDPOINT=https://sourcegraph.example.com\","
    "\"SRC_HEADER_AUTHORIZATION=token-executor hunter2hunter2hunter2\"]}],"
    "\"cliSteps\":null,"
    "\"redactedValues\":{\"hunter2hunter2hunter2\":\"PASSWORD_REMOVED\","
    "\"token-executor hunter2hunter2hunter2\":\"token-executor REDACTED\"},"
    "\"dockerAuthConfig\":{}}";

static void codeintel_sample_is_read(void **state)
{
    (void)state;
    lx_auto(job) struct lx_job *job = parse(codeintel_sample, "codeintel");
    assert_string_equal(job->repository_dir, "");
    assert_int_equal(job->n_files, 0);
    assert_int_equal(job->n_steps, 3);
    assert_string_equal(job->steps[0].key, "pre-index.0");
    assert_string_equal(job->steps[0].commands[0], "yarn");
    assert_string_equal(job->steps[0].commands[1], "install");
    assert_string_equal(job->steps[0].env[1], "VM_MEM=12.0 GB");
    assert_int_equal(lx_strv_len(job->steps[0].env), 7);
    assert_string_equal(job->steps[2].env[1],
                        "SRC_HEADER_AUTHORIZATION=token-executor hunter2hunter2hunter2");
    assert_int_equal(job->n_secrets, 2);
    assert_string_equal(job->secrets[1].replacement, "token-executor REDACTED");
}

static void v1_content_is_plain(void **state)
{
    (void)state;
    lx_auto(job) struct lx_job *job =
        parse("{\"id\":7,\"files\":{\"a\":{\"content\":\"aGk=\\u0000x\",\"modifiedAt\":null}}}",
              "batches");
    assert_int_equal(job->version, 1);
    assert_int_equal(job->files[0].content_len, 6);
    assert_memory_equal(job->files[0].content, "aGk=\0x", 6);
    assert_null(job->docker_auth);
}

static void v2_content_is_base64(void **state)
{
    (void)state;
    lx_auto(job) struct lx_job *job =
        parse("{\"version\":2,\"id\":7,\"files\":{\"a\":{\"content\":\"AP8=\"},"
              "\"b\":{\"content\":\"\"},\"c\":{\"content\":null},\"d\":{},"
              "\"e\":{\"content\":\"aGk=\",\"bucket\":\"x\"}}}",
              "batches");
    assert_int_equal(job->files[0].content_len, 2);
    assert_memory_equal(job->files[0].content, "\x00\xff", 2);
    for (size_t i = 1; i < 4; i++) {
        assert_string_equal(job->files[i].content, "");
        assert_int_equal(job->files[i].content_len, 0);
    }
    /* A bucket without a key is none. */
    assert_string_equal(job->files[4].content, "hi");
    assert_null(job->files[4].bucket);
}

static void nulls_and_absent_members_are_empty(void **state)
{
    static const char *const payloads[] = {
        "{\"id\":1}",
        ("{\"id\":1,\"version\":null,\"token\":null,\"queue\":null,\"repositoryName\":null,"
         "\"repositoryDirectory\":null,\"commit\":null,\"fetchTags\":null,\"shallowClone\":null,"
         "\"sparseCheckout\":null,\"files\":null,\"dockerSteps\":null,\"cliSteps\":null,"
         "\"redactedValues\":null,\"dockerAuthConfig\":null}"),
        ("{\"id\":1,\"queue\":\"\",\"files\":{},\"dockerSteps\":[],\"cliSteps\":[],"
         "\"redactedValues\":{},\"unheardOf\":[1,2]}"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(*payloads); i++) {
        lx_auto(job) struct lx_job *job = parse(payloads[i], "batches");
        assert_int_equal(job->version, 1);
        assert_string_equal(job->token, "");
        assert_string_equal(job->repository, "");
        assert_string_equal(job->commit, "");
        assert_string_equal(job->uid, "1");
        assert_int_equal(job->n_files + job->n_steps + job->n_cli_steps + job->n_secrets, 0);
        assert_int_equal(lx_strv_len(job->sparse_checkout), 0);
        assert_null(job->docker_auth);
    }
}

static void keys_match_in_any_case(void **state)
{
    (void)state;
    lx_auto(job) struct lx_job *job =
        parse("{\"ID\":5,\"repositoryname\":\"r\",\"DockerSteps\":[{\"IMAGE\":\"i\"}]}", "batches");
    assert_int_equal(job->id, 5);
    assert_string_equal(job->repository, "r");
    assert_string_equal(job->steps[0].image, "i");
    assert_string_equal(job->steps[0].key, "");
    assert_string_equal(job->steps[0].dir, "");
}

static void queue_of_the_payload_counts(void **state)
{
    (void)state;
    lx_auto(job) struct lx_job *job = parse("{\"id\":42,\"queue\":\"codeintel\"}", "batches");
    assert_string_equal(job->queue, "codeintel");
    assert_true(job->queue_in_payload);
    assert_string_equal(job->uid, "42-codeintel");
    lx_auto(job) struct lx_job *multi = parse("{\"id\":42,\"queue\":\"batches\"}", NULL);
    assert_string_equal(multi->uid, "42-batches");
}

static void cli_steps_are_counted(void **state)
{
    (void)state;
    lx_auto(job) struct lx_job *job =
        parse("{\"id\":1,\"cliSteps\":[{\"key\":\"batch-exec\",\"command\":[\"batch\"]}]}", "q");
    assert_int_equal(job->n_cli_steps, 1);
    assert_int_equal(job->n_steps, 0);
}

static void mtime_keeps_its_zone(void **state)
{
    static const struct {
        const char *text;
        time_t sec;
        int minutes;
    } rows[] = {
        {"2024-06-03T12:20:30+02:00", 1717410030, 120},
        {"2024-06-03T05:20:30-05:00", 1717410030, -300},
        {"2024-06-03T15:50:30.5+05:30", 1717410030, 330},
        {"2024-06-03T10:20:30Z", 1717410030, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        lx_auto(str) char *text =
            lx_strf("{\"id\":1,\"files\":{\"a\":{\"modifiedAt\":\"%s\"}}}", rows[i].text);
        lx_auto(job) struct lx_job *job = parse(text, "q");
        assert_true(job->files[0].has_mtime);
        assert_int_equal(job->files[0].mtime.tv_sec, rows[i].sec);
        assert_int_equal(job->files[0].mtime_zone_minutes, rows[i].minutes);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *payload, *reason;
    } rows[] = {
        {"[]", "not an object"},
        {"null", "not an object"},
        {"{}", "id:"},
        {"{\"id\":0}", "id:"},
        {"{\"id\":-1}", "id:"},
        {"{\"id\":\"42\"}", "id: not an integer"},
        {"{\"id\":4.5}", "id: not an integer"},
        {"{\"id\":1,\"version\":\"2\"}", "version: not an integer"},
        {"{\"id\":1,\"token\":5}", "token: not a string"},
        {"{\"id\":1,\"token\":\"a\\nb\"}", "token: contains a line break"},
        {"{\"id\":1,\"commit\":\"a\\u0000b\"}", "commit: contains U+0000"},
        {"{\"id\":1,\"repositoryName\":[]}", "repositoryName: not a string"},
        {"{\"id\":1,\"fetchTags\":\"yes\"}", "fetchTags: not a boolean"},
        {"{\"id\":1,\"sparseCheckout\":\"a\"}", "sparseCheckout: not an array"},
        {"{\"id\":1,\"sparseCheckout\":[\"a\",1]}", "sparseCheckout[1]"},
        {"{\"id\":1,\"files\":[]}", "files: not an object"},
        {"{\"id\":1,\"files\":{\"a\":\"b\"}}", "files[\"a\"]: not an object"},
        {"{\"id\":1,\"files\":{\"a\":{\"content\":1}}}", "files[\"a\"]: content"},
        {"{\"id\":1,\"version\":2,\"files\":{\"a\":{\"content\":\"=\"}}}", "files[\"a\"]: content"},
        {"{\"id\":1,\"version\":2,\"files\":{\"a\":{\"content\":\"aGk\"}}}", "content"},
        {"{\"id\":1,\"files\":{\"a\":{\"modifiedAt\":\"yesterday\"}}}", "modifiedAt"},
        {"{\"id\":1,\"files\":{\"../a\":{}}}", "outside the workspace"},
        {"{\"id\":1,\"files\":{\"a/../../b\":{}}}", "outside the workspace"},
        {"{\"id\":1,\"dockerSteps\":{}}", "dockerSteps: not an array"},
        {"{\"id\":1,\"dockerSteps\":[{},7]}", "dockerSteps[1]: not an object"},
        {"{\"id\":1,\"dockerSteps\":[{\"commands\":\"ls\"}]}", "dockerSteps[0]: commands"},
        {"{\"id\":1,\"dockerSteps\":[{\"commands\":[null]}]}", "dockerSteps[0]: commands[0]"},
        {"{\"id\":1,\"dockerSteps\":[{\"env\":[\"A=1\",\"B\"]}]}", "dockerSteps[0]: env[1]"},
        {"{\"id\":1,\"dockerSteps\":[{\"env\":[\"=1\"]}]}", "dockerSteps[0]: env[0]"},
        {"{\"id\":1,\"cliSteps\":7}", "cliSteps: not an array"},
        {"{\"id\":1,\"redactedValues\":[]}", "redactedValues: not an object"},
        {"{\"id\":1,\"redactedValues\":{\"hidden\":1}}", "redactedValues: entry 1"},
        {"{\"id\":1,\"dockerAuthConfig\":[]}", "dockerAuthConfig: not an object"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        expect_refusal(rows[i].payload, "batches", rows[i].reason);
    expect_refusal("{\"id\":1}", NULL, "queue: absent");
}

static void errors_do_not_name_secrets(void **state)
{
    (void)state;
    const char *text = "{\"id\":1,\"redactedValues\":{\"hunter2\":1}}";
    lx_auto(json) json_t *payload = NULL;
    struct lx_err err = {0};
    struct lx_job *job = NULL;
    assert_int_equal(lx_json_parse(text, strlen(text), &payload, &err), 0);
    assert_int_equal(lx_job_parse(payload, "q", &job, &err), -1);
    assert_null(strstr(err.text, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_sample_is_read),
        cmocka_unit_test(codeintel_sample_is_read),
        cmocka_unit_test(v1_content_is_plain),
        cmocka_unit_test(v2_content_is_base64),
        cmocka_unit_test(nulls_and_absent_members_are_empty),
        cmocka_unit_test(keys_match_in_any_case),
        cmocka_unit_test(queue_of_the_payload_counts),
        cmocka_unit_test(cli_steps_are_counted),
        cmocka_unit_test(mtime_keeps_its_zone),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(errors_do_not_name_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
