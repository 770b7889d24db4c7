/* What goes over the wire, and what answers become (contract 1.2 to 1.9). */
#include "queue_fixture.h"

static void expect_call(const struct fixture *fixture, size_t n, const char *method,
                        const char *path, const char *body)
{
    assert_true(n < fixture->n_requests);
    const struct request *request = &fixture->requests[n];
    assert_string_equal(request->method, method);
    assert_string_equal(request->path, path);
    if (body)
        assert_string_equal(request->body, body);
    assert_string_equal(request->content_type, "application/json");
    assert_string_equal(request->actor, "none");
    assert_null(request->user_agent);
}

static void expect_executor_auth(const struct request *request)
{
    assert_string_equal(request->authorization, "token-executor hunter2");
    assert_null(request->job_id);
    assert_null(request->executor);
}

static void expect_job_auth(const struct request *request, const char *authorization)
{
    assert_string_equal(request->authorization, authorization);
    assert_string_equal(request->job_id, "42");
    assert_string_equal(request->executor, "ex-1");
}

static void multi_queue(struct fixture *fixture)
{
    fixture->queues[1] = "codeintel";
    fixture->opts.multi = true;
    queue_remake(fixture);
}

/* ---- Ping ---- */

static void ping_single(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {200, "{\"knownIds\":null,\"cancelIds\":null}", NULL});
    lx_queue_ping(fixture->queue, on_plain, &outcome);
    assert_false(outcome.done);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/batches/heartbeat",
                "{\"version\":\"\",\"executorName\":\"ex-1\",\"os\":\"\",\"architecture\":\"\","
                "\"dockerVersion\":\"\",\"executorVersion\":\"\",\"gitVersion\":\"\","
                "\"igniteVersion\":\"\",\"srcCliVersion\":\"\",\"prometheusMetrics\":\"\"}");
    expect_executor_auth(&fixture->requests[0]);
}

static void ping_multi(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    multi_queue(fixture);
    SCRIPT(fixture, {200, "{\"knownIds\":null}", NULL});
    lx_queue_ping(fixture->queue, on_plain, &outcome);
    await(fixture, &outcome);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/heartbeat",
                "{\"version\":\"\",\"executorName\":\"ex-1\","
                "\"queueNames\":[\"batches\",\"codeintel\"],\"os\":\"\",\"architecture\":\"\","
                "\"dockerVersion\":\"\",\"executorVersion\":\"\",\"gitVersion\":\"\","
                "\"igniteVersion\":\"\",\"srcCliVersion\":\"\",\"prometheusMetrics\":\"\"}");
}

/* ---- Dequeue ---- */

static void dequeue_with_zero_options(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {204, NULL, NULL});
    lx_queue_dequeue(fixture->queue, on_job, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_null(outcome.job);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/batches/dequeue",
                "{\"executorName\":\"ex-1\",\"version\":\"5.6.185\"}");
    expect_executor_auth(&fixture->requests[0]);
}

static void dequeue_with_resources(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    fixture->opts.num_cpus = 4;
    fixture->opts.memory = "12G";
    fixture->opts.disk_space = "20G";
    multi_queue(fixture);
    SCRIPT(fixture, {200, "{\"id\":42,\"queue\":\"codeintel\"}", NULL});
    lx_queue_dequeue(fixture->queue, on_job, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_string_equal(outcome.job->uid, "42-codeintel");
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/dequeue",
                "{\"queues\":[\"batches\",\"codeintel\"],\"executorName\":\"ex-1\","
                "\"version\":\"5.6.185\",\"numCPUs\":4,\"memory\":\"12G\",\"diskSpace\":\"20G\"}");
    outcome_done(&outcome);
}

static void refused_payload_is_marked_failed(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {200, "{\"id\":42,\"token\":\"abc123\",\"files\":7}", NULL}, {204, NULL, NULL});
    lx_queue_dequeue(fixture->queue, on_job, &outcome);
    await(fixture, &outcome);
    assert_null(outcome.job);
    assert_int_equal(outcome.err.code, LX_E_INVALID);
    assert_string_equal(outcome.err.text, "dequeue: job payload: files: not an object");
    await_requests(fixture, 2);
    settle(fixture);
    assert_int_equal(fixture->n_requests, 2);
    expect_call(fixture, 1, "POST", "/sg/.executors/queue/batches/markFailed",
                "{\"executorName\":\"ex-1\",\"jobId\":42,"
                "\"errorMessage\":\"job payload: files: not an object\"}");
    expect_job_auth(&fixture->requests[1], "Bearer abc123");
}

static void unreadable_payload_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bodies[] = {"", "{", "<html>secret</html>", "[]", "{\"id\":\"x\"}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct outcome outcome = {0};
        const struct reply reply = {200, bodies[i], NULL};
        queue_script(fixture, &reply, 1);
        lx_queue_dequeue(fixture->queue, on_job, &outcome);
        await(fixture, &outcome);
        assert_true(outcome.failed);
        assert_null(outcome.job);
        assert_null(strstr(outcome.err.text, "secret"));
        settle(fixture);
        assert_int_equal(fixture->n_requests, 1);
    }
}

/* ---- Heartbeat ---- */

#ifdef __x86_64__
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#endif
#define BEAT_HOST                                                                                  \
    "\"os\":\"linux\",\"architecture\":\"" ARCH "\",\"dockerVersion\":\"\","                       \
    "\"executorVersion\":\"5.6.185\",\"gitVersion\":\"2.45.2\",\"igniteVersion\":\"\","            \
    "\"srcCliVersion\":\"\",\"prometheusMetrics\":\"\"}"

static void heartbeat_single(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    const char *const uids[] = {"9", "42", "100-batches", NULL};
    SCRIPT(fixture, {200, "{\"KnownIDs\":[\"42\",9,\"100\"],\"cancelIds\":[100,\"7\"]}", NULL});
    lx_queue_heartbeat(fixture->queue, uids, on_beat, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/batches/heartbeat",
                "{\"version\":\"V2\",\"executorName\":\"ex-1\",\"jobIds\":[100,42,9]," BEAT_HOST);
    expect_executor_auth(&fixture->requests[0]);
    assert_int_equal(lx_strv_len(outcome.known), 3);
    assert_string_equal(outcome.known[0], "42");
    assert_string_equal(outcome.known[1], "9");
    assert_string_equal(outcome.known[2], "100-batches");
    assert_int_equal(lx_strv_len(outcome.cancel), 2);
    assert_string_equal(outcome.cancel[0], "100-batches");
    assert_string_equal(outcome.cancel[1], "7");
    outcome_done(&outcome);
}

static void heartbeat_without_jobs(void **state)
{
    struct fixture *fixture = *state;
    static const char *const none[] = {NULL};
    struct outcome outcome = {0};
    SCRIPT(fixture, {200, "{\"knownIds\":null,\"cancelIds\":null}", NULL});
    lx_queue_heartbeat(fixture->queue, none, on_beat, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/batches/heartbeat",
                "{\"version\":\"V2\",\"executorName\":\"ex-1\",\"jobIds\":null," BEAT_HOST);
    assert_int_equal(lx_strv_len(outcome.known) + lx_strv_len(outcome.cancel), 0);
    outcome_done(&outcome);

    multi_queue(fixture);
    SCRIPT(fixture, {200, "{\"knownIds\":null}", NULL});
    lx_queue_heartbeat(fixture->queue, none, on_beat, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/heartbeat",
                "{\"version\":\"\",\"executorName\":\"ex-1\","
                "\"queueNames\":[\"batches\",\"codeintel\"]," BEAT_HOST);
    outcome_done(&outcome);
}

static void heartbeat_multi(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    const char *const uids[] = {"9-codeintel", "43-batches", "42-batches", NULL};
    multi_queue(fixture);
    SCRIPT(fixture, {200, "{\"knownIds\":[\"42-batches\",\"9-codeintel\"]}", NULL});
    lx_queue_heartbeat(fixture->queue, uids, on_beat, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/heartbeat",
                "{\"version\":\"\",\"executorName\":\"ex-1\",\"jobIdsByQueue\":["
                "{\"queueName\":\"batches\",\"jobIds\":[\"42\",\"43\"]},"
                "{\"queueName\":\"codeintel\",\"jobIds\":[\"9\"]}],"
                "\"queueNames\":[\"batches\",\"codeintel\"]," BEAT_HOST);
    assert_int_equal(lx_strv_len(outcome.known), 2);
    assert_string_equal(outcome.known[0], "42-batches");
    outcome_done(&outcome);
}

static void heartbeat_carries_metrics(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    fixture->opts.metrics = fixture->metrics;
    queue_remake(fixture);
    SCRIPT(fixture, {200, "{\"knownIds\":null}", NULL});
    lx_queue_heartbeat(fixture->queue, NULL, on_beat, &outcome);
    await(fixture, &outcome);
    outcome_done(&outcome);
    lx_queue_heartbeat(fixture->queue, NULL, on_beat, &outcome);
    await(fixture, &outcome);
    lx_auto(json) json_t *body = NULL;
    assert_int_equal(
        lx_json_parse(fixture->requests[1].body, fixture->requests[1].body_len, &body, NULL), 0);
    assert_non_null(strstr(lx_json_str(body, "prometheusMetrics", ""),
                           "src_apiworker_apiclient_queue_total{op=\"Heartbeat\"} 1\n"));
    outcome_done(&outcome);
}

static void odd_heartbeat_answers_are_errors(void **state)
{
    struct fixture *fixture = *state;
    const char *const uids[] = {"42", NULL};
    static const struct reply replies[] = {
        {204, NULL, NULL},
        {200, "", NULL},
        {200, "[]", NULL},
        {200, "{\"knownIds\":\"42\"}", NULL},
        {200, "{\"knownIds\":[true]}", NULL},
        {200, "{\"knownIds\":[],\"cancelIds\":[1.5]}", NULL},
        {200, "{\"cancelIds\":null}", NULL},
        {201, "{}", NULL},
        {500, "{}", NULL},
    };
    for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
        struct outcome outcome = {0};
        queue_script(fixture, &replies[i], 1);
        lx_queue_heartbeat(fixture->queue, uids, on_beat, &outcome);
        await(fixture, &outcome);
        assert_true(outcome.failed);
        assert_int_equal(fixture->n_requests, 1);
        outcome_done(&outcome);
    }
}

static void idle_heartbeats_ask_for_no_ids(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {200, "{}", NULL});
    lx_queue_heartbeat(fixture->queue, NULL, on_beat, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    outcome_done(&outcome);
}

/* ---- Log entries ---- */

struct text {
    const char *data;
    size_t len, reads;
    bool broken;
};

static ssize_t read_text(void *arg, uint64_t offset, char *out, size_t size)
{
    struct text *text = arg;
    text->reads++;
    if (text->broken && offset > 0)
        return -1;
    size_t rest = text->len - (size_t)offset, n = rest < size ? rest : size;
    memcpy(out, text->data + offset, n);
    return (ssize_t)n;
}

static struct lx_out_source text_source(struct text *text)
{
    return (struct lx_out_source){.len = text->len, .read = read_text, .arg = text};
}

static void add_entry(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    const struct lx_log_entry entry = {.key = "setup.workspace", .start = {.tv_sec = 1587396557}};
    SCRIPT(fixture, {200, "99", NULL});
    lx_queue_add_entry(fixture->queue, &test_job, &entry, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_int_equal(outcome.entry_id, 99);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/batches/addExecutionLogEntry",
                "{\"executorName\":\"ex-1\",\"jobId\":42,\"key\":\"setup.workspace\","
                "\"command\":null,\"startTime\":\"2020-04-20T15:29:17Z\"}");
    expect_job_auth(&fixture->requests[0], "Bearer abc123");
}

/* The body of the original's own test (contract 1.7). */
static void update_entry(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    const char *const command[] = {"ls", "-a", NULL};
    struct text text = {.data = "<log payload>", .len = 13};
    struct lx_out_source out = text_source(&text);
    const struct lx_log_entry entry = {
        .key = "foo",
        .command = command,
        .start = {.tv_sec = 1587396557},
        .finished = true,
        .exit_code = 123,
        .duration_ms = 23123,
        .out = &out,
    };
    SCRIPT(fixture, {204, NULL, NULL});
    lx_queue_update_entry(fixture->queue, &test_job, 99, &entry, 0, on_plain, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    const char *body = "{\"executorName\":\"ex-1\",\"jobId\":42,\"entryId\":99,\"key\":\"foo\","
                       "\"command\":[\"ls\",\"-a\"],\"startTime\":\"2020-04-20T15:29:17Z\","
                       "\"exitCode\":123,\"out\":\"<log payload>\",\"durationMs\":23123}";
    lx_auto(str) char *length = lx_strf("%zu", strlen(body));
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/batches/updateExecutionLogEntry", body);
    assert_string_equal(fixture->requests[0].content_length, length);
}

static void entry_presence_rules(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    const char *const empty[] = {NULL};
    const char *const odd[] = {"a\"b\n", "\xff", NULL};
    struct text text = {.data = "", .len = 0};
    struct lx_out_source out = text_source(&text);
    struct lx_log_entry entry = {.key = "k", .command = empty, .finished = true, .out = &out};
    SCRIPT(fixture, {204, NULL, NULL});
    lx_queue_update_entry(fixture->queue, &test_job, 1, &entry, 0, on_plain, &outcome);
    await(fixture, &outcome);
    /* Zeroes are there, an empty output is not. */
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/batches/updateExecutionLogEntry",
                "{\"executorName\":\"ex-1\",\"jobId\":42,\"entryId\":1,\"key\":\"k\","
                "\"command\":[],\"startTime\":\"1970-01-01T00:00:00Z\",\"exitCode\":0,"
                "\"durationMs\":0}");
    outcome_done(&outcome);

    text = (struct text){.data = "x", .len = 1};
    out = text_source(&text);
    entry = (struct lx_log_entry){.key = "k", .command = odd, .out = &out};
    lx_queue_update_entry(fixture->queue, &test_job, 1, &entry, 0, on_plain, &outcome);
    await(fixture, &outcome);
    expect_call(fixture, 1, "POST", "/sg/.executors/queue/batches/updateExecutionLogEntry",
                "{\"executorName\":\"ex-1\",\"jobId\":42,\"entryId\":1,\"key\":\"k\","
                "\"command\":[\"a\\\"b\\n\",\"\xef\xbf\xbd\"],"
                "\"startTime\":\"1970-01-01T00:00:00Z\",\"out\":\"x\"}");
}

static void large_output_is_streamed(void **state)
{
    enum { SIZE = 5 * 1024 * 1024 };
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    lx_auto(str) char *data = lx_alloc(SIZE + 1);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)('a' + i % 26);
    struct text text = {.data = data, .len = SIZE};
    struct lx_out_source out = text_source(&text);
    const struct lx_log_entry entry = {.key = "k", .out = &out};
    /* Once refused, the same again from its start. */
    SCRIPT(fixture, {500, "busy", NULL}, {204, NULL, NULL});
    lx_queue_update_entry(fixture->queue, &test_job, 1, &entry, 0, on_plain, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_int_equal(fixture->n_requests, 2);
    assert_true(text.reads > 20);
    for (size_t i = 0; i < 2; i++) {
        const char *body = fixture->requests[i].body, *at = strstr(body, "\"out\":\"");
        assert_non_null(at);
        assert_memory_equal(at + 7, data, SIZE);
        assert_string_equal(at + 7 + SIZE, "\"}");
    }
}

static void unreadable_output_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    lx_auto(str) char *data = lx_alloc(1000001);
    memset(data, 'x', 1000000);
    struct text text = {.data = data, .len = 1000000, .broken = true};
    struct lx_out_source out = text_source(&text);
    const struct lx_log_entry entry = {.key = "k", .out = &out};
    SCRIPT(fixture, {204, NULL, NULL});
    lx_queue_update_entry(fixture->queue, &test_job, 1, &entry, 0, on_plain, &outcome);
    await(fixture, &outcome);
    assert_true(outcome.failed);
    assert_int_equal(outcome.err.code, LX_E_IO);
    settle(fixture);
    assert_int_equal(fixture->n_requests, 0);
}

/* ---- Marks and files ---- */

static void marks(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum lx_mark mark;
        const char *message, *path, *body;
    } rows[] = {
        {LX_MARK_COMPLETE, "ignored", "/sg/.executors/queue/batches/markComplete",
         "{\"executorName\":\"ex-1\",\"jobId\":42}"},
        {LX_MARK_ERRORED, "a \"b\"\n", "/sg/.executors/queue/batches/markErrored",
         "{\"executorName\":\"ex-1\",\"jobId\":42,\"errorMessage\":\"a \\\"b\\\"\\n\"}"},
        {LX_MARK_FAILED, NULL, "/sg/.executors/queue/batches/markFailed",
         "{\"executorName\":\"ex-1\",\"jobId\":42,\"errorMessage\":\"\"}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct outcome outcome = {0};
        SCRIPT(fixture, {204, NULL, NULL});
        lx_queue_mark(fixture->queue, &test_job, rows[i].mark, rows[i].message, 0, on_plain,
                      &outcome);
        await(fixture, &outcome);
        assert_false(outcome.failed);
        expect_call(fixture, 0, "POST", rows[i].path, rows[i].body);
        expect_job_auth(&fixture->requests[0], "Bearer abc123");
    }
    assert_string_equal(lx_mark_name(LX_MARK_COMPLETE), "complete");
    assert_string_equal(lx_mark_name(LX_MARK_ERRORED), "errored");
    assert_string_equal(lx_mark_name(LX_MARK_FAILED), "failed");
}

static void jobs_without_token_use_the_password(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {204, NULL, NULL});
    lx_queue_mark(fixture->queue, &old_job, LX_MARK_COMPLETE, NULL, 0, on_plain, &outcome);
    await(fixture, &outcome);
    expect_call(fixture, 0, "POST", "/sg/.executors/queue/codeintel/markComplete", NULL);
    expect_job_auth(&fixture->requests[0], "token-executor hunter2");
}

static void files(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {200, "#!/bin/sh\r\n'", NULL});
    lx_queue_file(fixture->queue, &test_job, "batch-changes", "specRand123/file Rand", 100, 0,
                  on_file, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_int_equal(outcome.len, 12);
    assert_string_equal(outcome.data, "#!/bin/sh\r\n'");
    expect_call(fixture, 0, "GET", "/sg/.executors/files/batch-changes/specRand123/file%20Rand",
                "");
    expect_job_auth(&fixture->requests[0], "Bearer abc123");
    outcome_done(&outcome);

    lx_queue_file(fixture->queue, &test_job, "batch-changes", "big", 11, 0, on_file, &outcome);
    await(fixture, &outcome);
    assert_true(outcome.failed);
    assert_int_equal(outcome.err.code, LX_E_LIMIT);
    assert_int_equal(fixture->n_requests, 2);
    outcome_done(&outcome);
}

static void file_names_cannot_lead_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    static const char *const keys[] = {"../../queue/batches/markComplete", "a//b", "./a", "a/..",
                                       ""};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        struct outcome outcome = {0};
        lx_queue_file(fixture->queue, &test_job, "batch-changes", keys[i], 100, 0, on_file,
                      &outcome);
        assert_false(outcome.done);
        await(fixture, &outcome);
        assert_true(outcome.failed);
        assert_int_equal(outcome.err.code, LX_E_INVALID);
        outcome_done(&outcome);
    }
    settle(fixture);
    assert_int_equal(fixture->n_requests, 0);
}

static void bad_options_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct lx_queue *queue = NULL;
    struct lx_err err = {0};
    struct lx_queue_opts opts = fixture->opts;
    opts.frontend_url = "ftp://x";
    assert_int_equal(lx_queue_new(fixture->loop, fixture->http, &opts, NULL, &queue, &err), -1);
    opts = fixture->opts;
    opts.executor_name = "";
    assert_int_equal(lx_queue_new(fixture->loop, fixture->http, &opts, NULL, &queue, &err), -1);
    opts = fixture->opts;
    opts.queues = NULL;
    assert_int_equal(lx_queue_new(fixture->loop, fixture->http, &opts, NULL, &queue, &err), -1);
    assert_null(queue);
}

#define WIRE_TEST(f) cmocka_unit_test_setup_teardown(f, queue_setup, queue_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRE_TEST(ping_single),
        WIRE_TEST(ping_multi),
        WIRE_TEST(dequeue_with_zero_options),
        WIRE_TEST(dequeue_with_resources),
        WIRE_TEST(refused_payload_is_marked_failed),
        WIRE_TEST(unreadable_payload_is_an_error),
        WIRE_TEST(heartbeat_single),
        WIRE_TEST(heartbeat_without_jobs),
        WIRE_TEST(heartbeat_multi),
        WIRE_TEST(heartbeat_carries_metrics),
        WIRE_TEST(odd_heartbeat_answers_are_errors),
        WIRE_TEST(idle_heartbeats_ask_for_no_ids),
        WIRE_TEST(add_entry),
        WIRE_TEST(update_entry),
        WIRE_TEST(entry_presence_rules),
        WIRE_TEST(large_output_is_streamed),
        WIRE_TEST(unreadable_output_is_not_sent),
        WIRE_TEST(marks),
        WIRE_TEST(jobs_without_token_use_the_password),
        WIRE_TEST(files),
        WIRE_TEST(file_names_cannot_lead_elsewhere),
        WIRE_TEST(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, queue_group_setup, queue_group_teardown);
}
