/* Which calls are tried again after what, how often, and what is never sent twice. */
#include "queue_fixture.h"

#include "lunexec/clock.h"

static const struct lx_log_entry entry = {.key = "k"};

enum call { DEQUEUE, ADD, UPDATE, MARK, FILE_GET, PING, BEAT };

static struct lx_queue_call *start(struct fixture *fixture, enum call call, uint64_t deadline_ms,
                                   struct outcome *outcome)
{
    struct lx_queue *queue = fixture->queue;
    switch (call) {
    case DEQUEUE:
        return lx_queue_dequeue(queue, on_job, outcome);
    case ADD:
        return lx_queue_add_entry(queue, &test_job, &entry, deadline_ms, on_entry, outcome);
    case UPDATE:
        return lx_queue_update_entry(queue, &test_job, 1, &entry, deadline_ms, on_plain, outcome);
    case MARK:
        return lx_queue_mark(queue, &test_job, LX_MARK_ERRORED, "m", deadline_ms, on_plain,
                             outcome);
    case FILE_GET:
        return lx_queue_file(queue, &test_job, "b", "k", 100, deadline_ms, on_file, outcome);
    case PING:
        return lx_queue_ping(queue, on_plain, outcome);
    case BEAT:
        return lx_queue_heartbeat(queue, NULL, on_beat, outcome);
    default:
        fail();
        return NULL;
    }
}

/* Requests of one call to a frontend that always answers the same, and the error it ends with. */
static void answers_and_tries(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum call call;
        struct reply reply;
        size_t requests;
        enum lx_code code;
    } rows[] = {
        {DEQUEUE, {500, "{\"error\":\"x\"}", NULL}, 21, LX_E_PEER},
        {DEQUEUE, {502, "", NULL}, 21, LX_E_PEER},
        {DEQUEUE, {429, "", NULL}, 21, LX_E_PEER},
        {DEQUEUE, {501, "", NULL}, 1, LX_E_PEER},
        {DEQUEUE, {400, "", NULL}, 1, LX_E_PEER},
        {DEQUEUE, {401, "", NULL}, 1, LX_E_AUTH},
        {DEQUEUE, {403, "", NULL}, 1, LX_E_AUTH},
        {DEQUEUE, {404, "", NULL}, 1, LX_E_NOT_FOUND},
        {DEQUEUE, {201, "{\"id\":1}", NULL}, 1, LX_E_PEER},
        {DEQUEUE, {202, "{\"id\":1}", NULL}, 1, LX_E_PEER},
        {DEQUEUE, {302, "", "Location: /elsewhere"}, 1, LX_E_PEER},
        {DEQUEUE, {DROP, NULL, NULL}, 1, LX_E_IO},
        {ADD, {503, "", NULL}, 21, LX_E_PEER},
        {ADD, {500, "{\"error\":\"unknown job\"}", NULL}, 1, LX_E_NOT_FOUND},
        {ADD, {DROP, NULL, NULL}, 1, LX_E_IO},
        {UPDATE, {500, "{\"error\":\"unknown job\"}", NULL}, 1, LX_E_NOT_FOUND},
        {UPDATE, {500, "{\"error\":\"database\"}", NULL}, 21, LX_E_PEER},
        {UPDATE, {DROP, NULL, NULL}, 21, LX_E_IO},
        {MARK, {404, "null", NULL}, 1, LX_E_NOT_FOUND},
        {MARK, {500, "{\"error\":\"unknown job\"}", NULL}, 21, LX_E_PEER},
        {MARK, {DROP, NULL, NULL}, 21, LX_E_IO},
        {FILE_GET, {404, "workspace file does not exist", NULL}, 1, LX_E_NOT_FOUND},
        {FILE_GET, {500, "", NULL}, 21, LX_E_PEER},
        {FILE_GET, {DROP, NULL, NULL}, 21, LX_E_IO},
        {PING, {500, "", NULL}, 1, LX_E_PEER},
        {PING, {401, "", NULL}, 1, LX_E_AUTH},
        {PING, {DROP, NULL, NULL}, 1, LX_E_IO},
        {BEAT, {500, "", NULL}, 1, LX_E_PEER},
        {BEAT, {DROP, NULL, NULL}, 1, LX_E_IO},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct outcome outcome = {0};
        queue_script(fixture, &rows[i].reply, 1);
        (void)start(fixture, rows[i].call, 0, &outcome);
        await(fixture, &outcome);
        assert_true(outcome.failed);
        /* On a kept connection that breaks curl itself sends again what does no harm twice. */
        bool harmless = rows[i].call == FILE_GET || rows[i].call == PING || rows[i].call == BEAT;
        size_t slack = harmless && rows[i].reply.status == DROP ? 1 : 0;
        if (fixture->n_requests < rows[i].requests ||
            fixture->n_requests > rows[i].requests + slack || outcome.err.code != rows[i].code)
            fail_msg("row %zu: %zu requests, %s", i, fixture->n_requests, outcome.err.text);
        assert_int_equal(outcome.times, 1);
        assert_null(outcome.job);
        outcome_done(&outcome);
    }
}

static void errors_say_what_was_answered(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {400, "Failed to unmarshal\n payload\t!\n", NULL});
    (void)start(fixture, MARK, 0, &outcome);
    await(fixture, &outcome);
    assert_string_equal(outcome.err.text, "marking errored: unexpected status code 400: "
                                          "Failed to unmarshal  payload !");
}

/* Each succeeds once the frontend does. */
static void trouble_passes(void **state)
{
    struct fixture *fixture = *state;
    static const enum call calls[] = {UPDATE, MARK, FILE_GET};
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        struct outcome outcome = {0};
        SCRIPT(fixture, {DROP, NULL, NULL}, {500, "", NULL}, {429, "", NULL}, {200, "1", NULL});
        (void)start(fixture, calls[i], 0, &outcome);
        await(fixture, &outcome);
        assert_false(outcome.failed);
        assert_int_equal(fixture->n_requests, 4);
        assert_string_equal(fixture->requests[0].body, fixture->requests[3].body);
        outcome_done(&outcome);
    }
}

static void lost_answer_to_an_add(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    /* A refusal may be repeated; after it the answer is lost, and that may not. */
    SCRIPT(fixture, {500, "", NULL}, {DROP, NULL, NULL}, {200, "5", NULL});
    (void)start(fixture, ADD, UINT64_MAX, &outcome);
    await(fixture, &outcome);
    settle(fixture);
    assert_int_equal(fixture->n_requests, 2);
    assert_true(outcome.failed);
    assert_int_equal(outcome.err.code, LX_E_IO);
    assert_int_equal(outcome.entry_id, LX_ENTRY_UNKNOWN);
    outcome_done(&outcome);

    SCRIPT(fixture, {404, "", NULL});
    (void)start(fixture, ADD, 0, &outcome);
    await(fixture, &outcome);
    assert_true(outcome.failed);
    assert_int_equal(outcome.entry_id, 0);
}

/* With the id that the entry must have got, what became of it is found out. */
static void lost_add_is_looked_for(void **state)
{
    struct fixture *fixture = *state;
    const struct lx_log_entry third = {.key = "k", .expect_id = 3};
    struct outcome outcome = {0};
    /* It was made. */
    SCRIPT(fixture, {DROP, NULL, NULL}, {503, "", NULL}, {204, NULL, NULL});
    (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_int_equal(outcome.entry_id, 3);
    assert_int_equal(fixture->n_requests, 3);
    assert_true(lx_ends_with(fixture->requests[0].path, "/addExecutionLogEntry"));
    for (size_t i = 1; i < 3; i++) {
        assert_true(lx_ends_with(fixture->requests[i].path, "/updateExecutionLogEntry"));
        assert_string_equal(fixture->requests[i].body,
                            "{\"executorName\":\"ex-1\",\"jobId\":42,\"entryId\":3,\"key\":\"k\","
                            "\"command\":null,\"startTime\":\"1970-01-01T00:00:00Z\"}");
    }

    /* It was not: the add is repeated, and its answer counts. */
    outcome_done(&outcome);
    SCRIPT(fixture, {DROP, NULL, NULL}, {500, "{\"error\":\"unknown job\"}", NULL}, {500, "", NULL},
           {200, "4", NULL});
    (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_int_equal(outcome.entry_id, 4);
    assert_int_equal(fixture->n_requests, 4);
    assert_string_equal(fixture->requests[0].body, fixture->requests[2].body);
    assert_string_equal(fixture->requests[0].path, fixture->requests[3].path);

    /* The record is no longer ours. */
    outcome_done(&outcome);
    SCRIPT(fixture, {DROP, NULL, NULL}, {500, "{\"error\":\"unknown job\"}", NULL});
    (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_int_equal(outcome.err.code, LX_E_NOT_FOUND);
    assert_int_equal(outcome.entry_id, 0);
    assert_int_equal(fixture->n_requests, 3);

    /* It cannot be found out. */
    outcome_done(&outcome);
    SCRIPT(fixture, {DROP, NULL, NULL}, {503, "", NULL});
    (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_int_equal(outcome.err.code, LX_E_IO);
    assert_int_equal(outcome.entry_id, LX_ENTRY_UNKNOWN);
    assert_int_equal(fixture->n_requests, 21);
}

/* It was never added when the server says so in other words, or only that it cannot update it. */
static void refused_update_means_never_added(void **state)
{
    struct fixture *fixture = *state;
    const struct lx_log_entry third = {.key = "k", .expect_id = 3};
    struct outcome outcome = {0};
    SCRIPT(fixture, {DROP, NULL, NULL}, {400, "no such entry", NULL}, {200, "5", NULL});
    (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_int_equal(outcome.entry_id, 5);
    assert_int_equal(fixture->n_requests, 3);
    outcome_done(&outcome);
    SCRIPT(fixture, {DROP, NULL, NULL}, {500, "", NULL}, {500, "", NULL}, {502, "", NULL},
           {500, "", NULL}, {500, "", NULL}, {500, "", NULL}, {200, "6", NULL});
    (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_int_equal(outcome.entry_id, 6);
    assert_int_equal(fixture->n_requests, 8);
    outcome_done(&outcome);
    /* So it is when the answer to the second add is lost, too. */
    SCRIPT(fixture, {DROP, NULL, NULL}, {500, "", NULL}, {500, "", NULL}, {500, "", NULL},
           {DROP, NULL, NULL}, {500, "", NULL}, {500, "", NULL}, {500, "", NULL}, {200, "7", NULL});
    (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
    await(fixture, &outcome);
    assert_int_equal(outcome.entry_id, 7);
    assert_int_equal(fixture->n_requests, 9);
}

/* So it is when something else than the frontend answered, in a status of success. */
static void unreadable_answer_to_an_add(void **state)
{
    struct fixture *fixture = *state;
    static const struct reply odd[] = {
        {204, NULL, NULL},    {200, "", NULL},  {200, "{", NULL},      {200, "null", NULL},
        {200, "\"7\"", NULL}, {200, "0", NULL}, {200, "<html>", NULL}, {200, "1.5", NULL},
    };
    const struct lx_log_entry third = {.key = "k", .expect_id = 3};
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct outcome outcome = {0};
        const struct reply made[] = {odd[i], {204, NULL, NULL}};
        queue_script(fixture, made, 2);
        (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
        await(fixture, &outcome);
        assert_false(outcome.failed);
        assert_int_equal(outcome.entry_id, 3);
        assert_int_equal(fixture->n_requests, 2);
        outcome_done(&outcome);

        const struct reply not_made[] = {
            odd[i], {500, "{\"error\":\"unknown job\"}", NULL}, {200, "3", NULL}};
        queue_script(fixture, not_made, 3);
        (void)lx_queue_add_entry(fixture->queue, &test_job, &third, 0, on_entry, &outcome);
        await(fixture, &outcome);
        assert_false(outcome.failed);
        assert_int_equal(outcome.entry_id, 3);
        assert_int_equal(fixture->n_requests, 3);
        outcome_done(&outcome);

        /* Without an id to look for it stays unknown, and is not made twice. */
        queue_script(fixture, made, 1);
        (void)start(fixture, ADD, 0, &outcome);
        await(fixture, &outcome);
        assert_true(outcome.failed);
        assert_int_equal(outcome.entry_id, LX_ENTRY_UNKNOWN);
        assert_int_equal(fixture->n_requests, 1);
        outcome_done(&outcome);
    }
}

static void lost_answer_to_a_dequeue(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {DROP, NULL, NULL}, {200, "{\"id\":1}", NULL});
    (void)start(fixture, DEQUEUE, 0, &outcome);
    await(fixture, &outcome);
    settle(fixture);
    assert_int_equal(fixture->n_requests, 1);
    assert_true(outcome.failed);
    assert_null(outcome.job);
}

/* An answer that does not come in time may have had its effect too. */
static void slow_answers(void **state)
{
    struct fixture *fixture = *state;
    struct lx_queue_tuning tuning = fixture->queue->tuning;
    tuning.call_timeout_ms = tuning.beat_timeout_ms = 500;
    lx_queue_tune(fixture->queue, &tuning);
    static const enum call once[] = {DEQUEUE, ADD, PING, BEAT};
    for (size_t i = 0; i < sizeof(once) / sizeof(*once); i++) {
        struct outcome outcome = {0};
        SCRIPT(fixture, {HANG, NULL, NULL});
        (void)start(fixture, once[i], 0, &outcome);
        await(fixture, &outcome);
        assert_true(outcome.failed);
        assert_int_equal(fixture->n_requests, 1);
        outcome_done(&outcome);
    }
    struct outcome outcome = {0};
    SCRIPT(fixture, {HANG, NULL, NULL}, {204, NULL, NULL});
    (void)start(fixture, UPDATE, 0, &outcome);
    await(fixture, &outcome);
    assert_false(outcome.failed);
    assert_int_equal(fixture->n_requests, 2);
}

/* Nothing listens: no request can have arrived, so everything is tried again. */
static void unreachable(void **state)
{
    struct fixture *fixture = *state;
    static const enum call calls[] = {DEQUEUE, ADD, UPDATE, MARK, FILE_GET};
    fixture->opts.metrics = fixture->metrics;
    queue_remake(fixture);
    lx_httpd_free(fixture->httpd);
    fixture->httpd = NULL;
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        struct outcome outcome = {0};
        struct lx_queue_call *call = start(fixture, calls[i], 0, &outcome);
        unsigned tries = 0;
        while (!outcome.done) {
            static const bool never;
            tries = call->tries;
            (void)lx_loop_run_until(fixture->loop, &never, 1, NULL);
        }
        assert_true(outcome.failed);
        assert_int_equal(outcome.err.code, LX_E_IO);
        assert_true(tries >= 2);
        assert_true(outcome.entry_id != LX_ENTRY_UNKNOWN);
        outcome_done(&outcome);
    }
}

static void the_deadline_extends_the_tries(void **state)
{
    struct fixture *fixture = *state;
    struct lx_queue_tuning tuning = fixture->queue->tuning;
    tuning.attempts = 2;
    lx_queue_tune(fixture->queue, &tuning);
    struct outcome outcome = {0};
    SCRIPT(fixture, {500, "", NULL});
    struct lx_queue_call *call = start(fixture, UPDATE, lx_now_ms() + 600000, &outcome);
    await_requests(fixture, 6);
    assert_false(outcome.done);
    lx_queue_cancel(call);

    SCRIPT(fixture, {500, "", NULL});
    uint64_t deadline = lx_now_ms() + 150;
    (void)start(fixture, UPDATE, deadline, &outcome);
    await(fixture, &outcome);
    assert_true(outcome.failed);
    assert_true(lx_now_ms() >= deadline);
    outcome_done(&outcome);

    /* One in the past takes nothing away. */
    SCRIPT(fixture, {500, "", NULL});
    (void)start(fixture, UPDATE, 1, &outcome);
    await(fixture, &outcome);
    assert_int_equal(fixture->n_requests, 2);
}

static void retry_after_is_obeyed(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {429, "", "Retry-After: 3"}, {204, NULL, NULL});
    uint64_t start_ms = lx_now_ms();
    (void)start(fixture, MARK, 0, &outcome);
    await(fixture, &outcome);
    /* The fixture cuts it to 40 ms, its own delays end at 2 ms. */
    assert_true(lx_now_ms() - start_ms >= 39);
    assert_false(outcome.failed);
}

static void cancelled_calls_report_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    /* At once, in flight, between two tries, refused. */
    SCRIPT(fixture, {HANG, NULL, NULL});
    lx_queue_cancel(start(fixture, MARK, 0, &outcome));
    struct lx_queue_call *call = start(fixture, DEQUEUE, 0, &outcome);
    await_requests(fixture, 1);
    lx_queue_cancel(call);

    struct lx_queue_tuning tuning = fixture->queue->tuning;
    tuning.base_ms = tuning.max_ms = 10000;
    lx_queue_tune(fixture->queue, &tuning);
    SCRIPT(fixture, {500, "", NULL});
    call = start(fixture, MARK, 0, &outcome);
    await_requests(fixture, 1);
    settle(fixture);
    lx_queue_cancel(call);

    lx_queue_cancel(lx_queue_file(fixture->queue, &test_job, "..", "k", 1, 0, on_file, &outcome));
    lx_queue_cancel(NULL);
    settle(fixture);
    assert_int_equal(outcome.times, 0);
}

static void freeing_the_queue_cancels(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    SCRIPT(fixture, {HANG, NULL, NULL});
    (void)start(fixture, MARK, 0, &outcome);
    await_requests(fixture, 1);
    (void)lx_queue_file(fixture->queue, &test_job, "..", "k", 1, 0, on_file, &outcome);
    lx_queue_free(lx_take(fixture->queue));
    settle(fixture);
    assert_int_equal(outcome.times, 0);
}

/* ---- Things a callback may do ---- */

struct nested {
    struct fixture *fixture;
    struct lx_queue_call *call;
    struct outcome outcome, inner;
};

static void free_queue_inside(void *arg, const struct lx_err *err)
{
    struct nested *nested = arg;
    lx_queue_cancel(nested->call);
    lx_queue_free(lx_take(nested->fixture->queue));
    on_plain(&nested->outcome, err);
}

static void start_inside(void *arg, const struct lx_err *err)
{
    struct nested *nested = arg;
    (void)lx_queue_ping(nested->fixture->queue, on_plain, &nested->inner);
    on_plain(&nested->outcome, err);
}

static void callbacks_may_start_cancel_and_free(void **state)
{
    struct fixture *fixture = *state;
    SCRIPT(fixture, {200, "{}", NULL});
    struct nested nested = {.fixture = fixture};
    nested.call = lx_queue_ping(fixture->queue, start_inside, &nested);
    await(fixture, &nested.inner);
    nested.outcome.done = false;
    nested.call = lx_queue_ping(fixture->queue, free_queue_inside, &nested);
    await(fixture, &nested.outcome);
    settle(fixture);
    assert_int_equal(nested.outcome.times, 2);
}

/* ---- Metrics ---- */

static void metrics_count_calls(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    fixture->opts.metrics = fixture->metrics;
    queue_remake(fixture);
    struct lx_queue *queue = fixture->queue;
    const char *const mark[] = {"MarkErrored", NULL}, *const get[] = {"Get", NULL};

    SCRIPT(fixture, {500, "", NULL}, {204, NULL, NULL}, {404, "", NULL}, {200, "x", NULL});
    (void)start(fixture, MARK, 0, &outcome); /* two tries, one call */
    await(fixture, &outcome);
    outcome_done(&outcome);
    assert_true(lx_metric_value(queue->queue_total, mark) == 1);
    assert_true(lx_metric_value(queue->queue_errors, mark) == 0);
    (void)start(fixture, MARK, 0, &outcome);
    await(fixture, &outcome);
    outcome_done(&outcome);
    assert_true(lx_metric_value(queue->queue_total, mark) == 1);
    assert_true(lx_metric_value(queue->queue_errors, mark) == 1);
    (void)start(fixture, FILE_GET, 0, &outcome);
    await(fixture, &outcome);
    outcome_done(&outcome);
    assert_true(lx_metric_value(queue->files_total, get) == 1);
    assert_true(lx_metric_value(queue->queue_total, get) == 0);

    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(1 << 20);
    assert_int_equal(lx_metrics_expose(fixture->metrics, &text, NULL), 0);
    assert_non_null(strstr(text.data, "src_apiworker_apiclient_queue_duration_seconds_count"
                                      "{op=\"MarkErrored\"} 1\n"));
    assert_non_null(
        strstr(text.data, "src_apiworker_apiclient_files_errors_total{op=\"Get\"} 0\n"));
}

#define RETRY_TEST(f) cmocka_unit_test_setup_teardown(f, queue_setup, queue_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RETRY_TEST(answers_and_tries),
        RETRY_TEST(errors_say_what_was_answered),
        RETRY_TEST(trouble_passes),
        RETRY_TEST(lost_answer_to_an_add),
        RETRY_TEST(lost_add_is_looked_for),
        RETRY_TEST(refused_update_means_never_added),
        RETRY_TEST(unreadable_answer_to_an_add),
        RETRY_TEST(lost_answer_to_a_dequeue),
        RETRY_TEST(slow_answers),
        RETRY_TEST(unreachable),
        RETRY_TEST(the_deadline_extends_the_tries),
        RETRY_TEST(retry_after_is_obeyed),
        RETRY_TEST(cancelled_calls_report_nothing),
        RETRY_TEST(freeing_the_queue_cancels),
        RETRY_TEST(callbacks_may_start_cancel_and_free),
        RETRY_TEST(metrics_count_calls),
    };
    return cmocka_run_group_tests(tests, queue_group_setup, queue_group_teardown);
}
