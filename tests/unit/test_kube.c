/* Calls: what is sent, what a Status means, what is tried again and for how long. */
#include "kube_fake.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/mem.h"

#include <unistd.h>

struct outcome {
    bool done;
    unsigned times;
    bool ok;
    long status;
    char *reason, *name;
    struct lx_err err;
};

static void on_result(void *arg, const struct lx_kube_result *result)
{
    struct outcome *outcome = arg;
    outcome->done = true;
    outcome->times++;
    outcome->ok = result->ok;
    outcome->status = result->status;
    outcome->reason = lx_strdup(result->reason);
    outcome->name = lx_strdup(lx_json_str(lx_json_obj(result->object, "metadata"), "name", ""));
    outcome->err = result->err;
}

static void outcome_done(struct outcome *outcome)
{
    free(outcome->reason);
    free(outcome->name);
}

#define STATUS(code, reason, message)                                                              \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" message "\",\"reason\":\"" reason \
    "\",\"code\":" #code "}"
#define JOBS "POST /apis/batch/v1/namespaces/ns/jobs HTTP/1.1"

static json_t *job(void)
{
    return json_pack("{s:s, s:{s:s}}", "kind", "Job", "metadata", "name", "x");
}

/* Creates a job against the script and fills `outcome`. */
static void create(const struct fake_step *steps, size_t n, const char *token_file,
                   uint64_t deadline_in_ms, struct outcome *outcome)
{
    struct fake *fake = fake_new(steps, n, token_file);
    lx_auto(json) json_t *body = job();
    uint64_t deadline = deadline_in_ms ? lx_now_ms() + deadline_in_ms : 0;
    memset(outcome, 0, sizeof(*outcome));
    (void)lx_kube_create(fake_kube(fake), LX_KUBE_JOB, "ns", body, deadline, on_result, outcome);
    assert_false(outcome->done); /* deferred */
    WAIT_UNTIL(fake, outcome->done);
    assert_int_equal(outcome->times, 1);
    assert_true(fake_finished(fake));
    fake_free(fake);
}

static void test_create(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = JOBS,
         .has = "\r\n\r\n{\"kind\":\"Job\",\"metadata\":{\"name\":\"x\"}}",
         .lacks = "Authorization",
         .status = 201,
         .body = "{\"kind\":\"Job\",\"metadata\":{\"name\":\"x\",\"uid\":\"u\"}}"}};
    struct outcome outcome;
    create(steps, 1, NULL, 0, &outcome);
    assert_true(outcome.ok);
    assert_int_equal(outcome.status, 201);
    assert_string_equal(outcome.name, "x");
    outcome_done(&outcome);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body, *text, *reason;
        enum lx_code code;
    } table[] = {
        {409, STATUS(409, "AlreadyExists", "jobs.batch \\\"x\\\" already exists"),
         "jobs.batch \"x\" already exists", "AlreadyExists", LX_E_CONFLICT},
        {403, STATUS(403, "Forbidden", "exceeded quota: a"), "exceeded quota: a", "Forbidden",
         LX_E_AUTH},
        {422, STATUS(422, "Invalid", "two\\nlines"), "two lines", "Invalid", LX_E_INVALID},
        {404, STATUS(404, "NotFound", "namespaces"), "namespaces", "NotFound", LX_E_NOT_FOUND},
        {410, STATUS(410, "Expired", "too old"), "too old", "Expired", LX_E_GONE},
        {400, "<html>proxy</html>", "HTTP status 400: <html>proxy</html>", "", LX_E_INVALID},
        {401, "", "HTTP status 401 without a message", "", LX_E_AUTH},
        {501, "{}", "HTTP status 501: {}", "", LX_E_PEER},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct fake_step step = {.want = JOBS, .status = table[i].status, .body = table[i].body};
        struct outcome outcome;
        create(&step, 1, NULL, 0, &outcome);
        assert_false(outcome.ok);
        assert_int_equal(outcome.status, table[i].status);
        assert_int_equal(outcome.err.code, table[i].code);
        assert_string_equal(outcome.err.text, table[i].text);
        assert_string_equal(outcome.reason, table[i].reason);
        outcome_done(&outcome);
    }
}

/* Something between us and the server answered: the create is sent again, and meets what the first
 * one made. */
static void test_unreadable_answer(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"kind\":", "", "<html>", "null", "[{}]", "\"text\""};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct fake_step steps[] = {
            {.want = JOBS, .status = 201, .body = bodies[i]},
            {.want = JOBS, .status = 409, .body = STATUS(409, "AlreadyExists", "x")}};
        struct outcome outcome;
        create(steps, 2, NULL, 0, &outcome);
        assert_false(outcome.ok);
        assert_int_equal(outcome.err.code, LX_E_CONFLICT);
        outcome_done(&outcome);
    }
    static const struct fake_step step = {
        .want = JOBS, .status = 200, .headers = "Retry-After: 30\r\n", .body = "{\"kind\":"};
    struct outcome outcome;
    create(&step, 1, NULL, 10000, &outcome); /* no time for another */
    assert_false(outcome.ok);
    assert_int_equal(outcome.err.code, LX_E_PEER);
    outcome_done(&outcome);
}

static void test_tries_again(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = JOBS, .action = FAKE_CUT, .body = "{\"ki"},
        {.want = JOBS, .status = 503, .body = "x"},
        {.want = JOBS, .status = 500, .body = STATUS(500, "InternalError", "webhook")},
        {.want = JOBS, .status = 409, .body = STATUS(409, "Conflict", "resourcequotas changed")},
        {.want = JOBS, .status = 201, .body = "{\"metadata\":{\"name\":\"x\"}}"},
    };
    struct outcome outcome;
    create(steps, 5, NULL, 0, &outcome);
    assert_true(outcome.ok);
    outcome_done(&outcome);
}

static void test_retry_after(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = JOBS, .status = 429, .headers = "Retry-After: 1\r\n", .body = "slow down"},
        {.want = JOBS, .status = 201, .body = "{}"},
    };
    struct fake *fake = fake_new(steps, 2, NULL);
    struct outcome outcome = {0};
    lx_auto(json) json_t *body = job();
    (void)lx_kube_create(fake_kube(fake), LX_KUBE_JOB, "ns", body, 0, on_result, &outcome);
    WAIT_UNTIL(fake, outcome.done);
    assert_true(outcome.ok);
    assert_true(fake_at(fake, 1) - fake_at(fake, 0) >= 1000);
    outcome_done(&outcome);
    fake_free(fake);
}

/* A wait beyond the deadline is not begun; the last failure is what is told. */
static void test_deadline(void **state)
{
    (void)state;
    static const struct fake_step step = {
        .want = JOBS, .status = 429, .headers = "Retry-After: 30\r\n", .body = "slow down"};
    struct outcome outcome;
    uint64_t begin = lx_now_ms();
    create(&step, 1, NULL, 10000, &outcome);
    assert_true(lx_now_ms() - begin < 9000);
    assert_int_equal(outcome.err.code, LX_E_PEER);
    assert_string_equal(outcome.err.text, "HTTP status 429: slow down");
    outcome_done(&outcome);
}

static void test_no_answer(void **state)
{
    (void)state;
    static const struct fake_step step = {.want = JOBS, .action = FAKE_HOLD};
    struct outcome outcome;
    create(&step, 1, NULL, 1000, &outcome);
    assert_int_equal(outcome.err.code, LX_E_TIMEOUT);
    outcome_done(&outcome);
}

static void test_token_rotates(void **state)
{
    (void)state;
    char path[] = "/tmp/lunexec-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(lx_file_write(path, "old\n", 4, 0600, NULL), 0);
    static const struct fake_step steps[] = {
        {.want = JOBS, .has = "Authorization: Bearer old\r\n", .status = 201, .body = "{}"},
        {.want = JOBS, .has = "Authorization: Bearer old\r\n", .status = 401, .body = "{}"},
        {.want = JOBS, .has = "Authorization: Bearer new\r\n", .status = 201, .body = "{}"},
        {.want = JOBS, .has = "Authorization: Bearer new\r\n", .status = 401, .body = "{}"},
        {.want = JOBS, .has = "Authorization: Bearer new\r\n", .status = 401, .body = "{}"},
    };
    struct fake *fake = fake_new(steps, 5, path);
    lx_auto(json) json_t *body = job();
    for (int i = 0; i < 3; i++) {
        struct outcome outcome = {0};
        (void)lx_kube_create(fake_kube(fake), LX_KUBE_JOB, "ns", body, 0, on_result, &outcome);
        WAIT_UNTIL(fake, outcome.done);
        assert_int_equal(outcome.ok, i < 2);
        outcome_done(&outcome);
        assert_int_equal(lx_file_write(path, "new\n", 4, 0600, NULL), 0);
    }
    assert_true(fake_finished(fake));
    fake_free(fake);
    (void)unlink(path);
}

static void test_delete(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = "DELETE /api/v1/namespaces/ns/pods/a%2Fb HTTP/1.1",
         .has = "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":"
                "\"Foreground\",\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"u-1\"}}",
         .body = "{}"},
        {.want = "DELETE /api/v1/namespaces/ns/secrets/s HTTP/1.1",
         .has = "\r\n\r\n{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":"
                "\"Background\"}",
         .status = 409,
         .body = STATUS(409, "Conflict", "the UID in the precondition does not match")},
    };
    struct fake *fake = fake_new(steps, 2, NULL);
    struct outcome first = {0}, second = {0};
    const struct lx_kube_delete_opts opts = {.uid = "u-1", .propagation = "Foreground"};
    (void)lx_kube_delete(fake_kube(fake), LX_KUBE_POD, "ns", "a/b", &opts, 0, on_result, &first);
    WAIT_UNTIL(fake, first.done);
    assert_true(first.ok);
    (void)lx_kube_delete(fake_kube(fake), LX_KUBE_SECRET, "ns", "s", NULL, 0, on_result, &second);
    WAIT_UNTIL(fake, second.done);
    assert_int_equal(second.err.code, LX_E_CONFLICT);
    outcome_done(&first);
    outcome_done(&second);
    fake_free(fake);
}

#define SECRET_S "DELETE /api/v1/namespaces/ns/secrets/s HTTP/1.1"
#define ITS_METADATA                                                                               \
    "{\"kind\":\"PartialObjectMetadata\",\"metadata\":{\"name\":\"s\",\"uid\":\"u-2\"}}"

static bool is_meant(void *arg, const json_t *metadata)
{
    const bool *answer = arg;
    assert_string_equal(lx_json_str(metadata, "uid", ""), "u-2");
    return *answer;
}

/* Without its UID an object is looked at first, by a dry run, and deleted by its UID if it is the
 * one that is meant. */
static void test_delete_of_unknown_uid(void **state)
{
    (void)state;
    static const char real[] =
        "\r\n\r\n{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":"
        "\"Background\",\"preconditions\":{\"uid\":\"u-2\"}}";
    static const struct fake_step look = {
        .want = SECRET_S, .has = "\"dryRun\":[\"All\"]", .body = ITS_METADATA};
    const struct fake_step steps[] = {
        {.want = SECRET_S,
         .has = "\r\n\r\n{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                "\"propagationPolicy\":\"Foreground\",\"dryRun\":[\"All\"]}",
         .body = ITS_METADATA},
        {.want = SECRET_S, .status = 503, .body = "busy"},
        {.want = SECRET_S, .has = real, .lacks = "dryRun", .body = "{\"kind\":\"Status\"}"},
        look,
        {.want = SECRET_S,
         .has = "dryRun",
         .body = "{\"kind\":\"Status\",\"details\":{\"uid\":\"u-2\"}}"},
        {.want = SECRET_S, .status = 404, .body = STATUS(404, "NotFound", "gone")},
    };
    static const enum lx_code codes[] = {LX_OK, LX_E_CONFLICT, LX_E_CONFLICT, LX_E_NOT_FOUND};
    struct fake *fake = fake_new(steps, sizeof steps / sizeof *steps, NULL);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        bool meant = i != 1;
        const struct lx_kube_delete_opts opts = {
            .is_meant = is_meant, .arg = &meant, .grace_seconds = -1};
        struct outcome outcome = {0};
        (void)lx_kube_delete(fake_kube(fake), LX_KUBE_SECRET, "ns", "s", &opts, 0, on_result,
                             &outcome);
        WAIT_UNTIL(fake, outcome.done);
        assert_int_equal(outcome.ok, codes[i] == LX_OK);
        assert_int_equal(outcome.err.code, codes[i]);
        outcome_done(&outcome);
    }
    assert_true(fake_finished(fake));
    fake_free(fake);
}

/* Looking deletes nothing and asks for metadata only. */
static void test_look(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = SECRET_S, .has = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1", .body = "{}"},
        {.want = SECRET_S, .has = "\"dryRun\":[\"All\"]", .body = ITS_METADATA},
    };
    struct fake *fake = fake_new(steps, 2, NULL);
    for (int i = 0; i < 2; i++) {
        struct outcome outcome = {0};
        (void)lx_kube_look(fake_kube(fake), LX_KUBE_SECRET, "ns", "s", 0, on_result, &outcome);
        WAIT_UNTIL(fake, outcome.done);
        assert_true(outcome.ok);
        assert_string_equal(outcome.name, i ? "s" : "");
        outcome_done(&outcome);
    }
    fake_free(fake);
}

static void test_get_and_list(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = "GET /api/v1/namespaces/ns/pods/p HTTP/1.1",
         .body = "{\"metadata\":{\"name\":\"p\"}}"},
        {.want = "GET /api/v1/namespaces/ns/events?limit=5 HTTP/1.1", .body = "{\"items\":[]}"},
        {.want = "GET /api/v1/namespaces/ns/persistentvolumeclaims HTTP/1.1", .body = "{}"},
    };
    struct fake *fake = fake_new(steps, 3, NULL);
    struct outcome out[3] = {0};
    struct lx_kube *kube = fake_kube(fake);
    (void)lx_kube_get(kube, LX_KUBE_POD, "ns", "p", 0, on_result, &out[0]);
    WAIT_UNTIL(fake, out[0].done);
    assert_string_equal(out[0].name, "p");
    (void)lx_kube_list(kube, LX_KUBE_EVENT, "ns", "limit=5", 0, on_result, &out[1]);
    WAIT_UNTIL(fake, out[1].done);
    (void)lx_kube_list(kube, LX_KUBE_PVC, "ns", NULL, 0, on_result, &out[2]);
    WAIT_UNTIL(fake, out[2].done);
    for (int i = 0; i < 3; i++) {
        assert_true(out[i].ok);
        outcome_done(&out[i]);
    }
    fake_free(fake);
}

static void on_count(void *arg, const struct lx_kube_result *result)
{
    unsigned *count = arg;
    if (result->ok)
        ++*count;
}

/* However many deletes wait, a create is sent at once; and they have their turn one by one. */
static void test_classes(void **state)
{
    (void)state;
    enum { DELETES = 10, AT_ONCE = 6 };
    struct fake_step steps[DELETES + 1] = {0};
    for (size_t i = 0; i < DELETES + 1; i++)
        steps[i] = (struct fake_step){.want = "DELETE ", .status = 200, .body = "{}"};
    steps[AT_ONCE].want = JOBS;
    struct fake *fake = fake_new(steps, DELETES + 1, NULL);
    struct lx_kube *kube = fake_kube(fake);
    unsigned deleted = 0, created = 0;
    struct lx_kube_call *last = NULL;
    for (size_t i = 0; i < DELETES + 1; i++)
        last = lx_kube_delete(kube, LX_KUBE_SECRET, "ns", "s", NULL, 0, on_count, &deleted);
    lx_kube_cancel(last); /* while it waits */
    lx_auto(json) json_t *body = job();
    (void)lx_kube_create(kube, LX_KUBE_JOB, "ns", body, 0, on_count, &created);
    WAIT_UNTIL(fake, deleted == DELETES && created == 1);
    assert_true(fake_finished(fake));
    fake_free(fake);
}

/* What can wait has one call underway, whatever its verb, and keeps none of the others waiting. */
static void test_background(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = "GET /apis/batch/v1/namespaces/ns/jobs?limit=1 ",
         .has = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
         .action = FAKE_HOLD},
        {.want = "DELETE /api/v1/namespaces/ns/secrets/now ", .body = "{}"},
        {.want = JOBS, .status = 201, .body = "{}"},
        {.want = "DELETE /api/v1/namespaces/ns/secrets/later ", .body = "{}"},
    };
    static const struct lx_kube_delete_opts later = {.grace_seconds = -1, .background = true};
    struct fake *fake = fake_new(steps, 4, NULL);
    struct lx_kube *kube = fake_kube(fake);
    unsigned listed = 0, at_once = 0, last = 0;
    (void)lx_kube_survey(kube, LX_KUBE_JOB, "ns", "limit=1", 0, on_count, &listed);
    WAIT_UNTIL(fake, fake_count(fake) == 1);
    (void)lx_kube_delete(kube, LX_KUBE_SECRET, "ns", "later", &later, 0, on_count, &last);
    (void)lx_kube_delete(kube, LX_KUBE_SECRET, "ns", "now", NULL, 0, on_count, &at_once);
    WAIT_UNTIL(fake, at_once == 1);
    lx_auto(json) json_t *body = job();
    (void)lx_kube_create(kube, LX_KUBE_JOB, "ns", body, 0, on_count, &at_once);
    WAIT_UNTIL(fake, at_once == 2);
    assert_int_equal(last, 0);
    fake_more(fake, "{}");
    fake_close(fake, false);
    WAIT_UNTIL(fake, last == 1 && listed == 1);
    assert_true(fake_finished(fake));
    fake_free(fake);
}

/* What waits for its turn does not wait longer than it may. */
static void test_class_deadline(void **state)
{
    (void)state;
    enum { AT_ONCE = 6 };
    struct fake_step steps[AT_ONCE] = {0};
    for (size_t i = 0; i < AT_ONCE; i++)
        steps[i] = (struct fake_step){.want = "DELETE ", .action = FAKE_HOLD};
    struct fake *fake = fake_new(steps, AT_ONCE, NULL);
    struct lx_kube *kube = fake_kube(fake);
    struct outcome outcome = {0};
    unsigned deleted = 0;
    for (size_t i = 0; i < AT_ONCE; i++)
        (void)lx_kube_delete(kube, LX_KUBE_SECRET, "ns", "s", NULL, 0, on_count, &deleted);
    (void)lx_kube_delete(kube, LX_KUBE_SECRET, "ns", "s", NULL, lx_now_ms() + 100, on_result,
                         &outcome);
    WAIT_UNTIL(fake, outcome.done && fake_finished(fake));
    assert_int_equal(outcome.err.code, LX_E_TIMEOUT);
    assert_int_equal(deleted, 0);
    outcome_done(&outcome);
    fake_free(fake); /* with calls underway and none waiting */
}

static void test_cancel(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.want = JOBS, .action = FAKE_HOLD},
        {.want = JOBS, .status = 503, .headers = "Retry-After: 60\r\n", .body = ""},
        {.want = JOBS, .status = 503, .headers = "Retry-After: 60\r\n", .body = ""},
    };
    struct fake *fake = fake_new(steps, 3, NULL);
    struct outcome outcome = {0};
    lx_auto(json) json_t *body = job();
    uint64_t late = lx_now_ms() + 600000;
    struct lx_kube_call *call =
        lx_kube_create(fake_kube(fake), LX_KUBE_JOB, "ns", body, late, on_result, &outcome);
    WAIT_UNTIL(fake, fake_count(fake) == 1);
    lx_kube_cancel(call);
    WAIT_UNTIL(fake, fake_abandoned(fake));
    call = lx_kube_create(fake_kube(fake), LX_KUBE_JOB, "ns", body, late, on_result, &outcome);
    WAIT_UNTIL(fake, fake_count(fake) == 2);
    lx_kube_cancel(call);
    (void)lx_kube_create(fake_kube(fake), LX_KUBE_JOB, "ns", body, late, on_result, &outcome);
    WAIT_UNTIL(fake, fake_count(fake) == 3);
    lx_kube_cancel(NULL);
    fake_free(fake); /* with a call underway */
    assert_false(outcome.done);
}

static void test_unreachable(void **state)
{
    (void)state;
    struct lx_loop *loop;
    struct lx_kube *kube;
    struct outcome outcome = {0};
    struct lx_kube_config config = {.server = lx_strdup("http://127.0.0.1:1")};
    assert_int_equal(lx_loop_new(&loop, NULL), 0);
    assert_int_equal(lx_kube_new(loop, &config, NULL, &kube, NULL), 0);
    lx_kube_config_done(&config);
    (void)lx_kube_get(kube, LX_KUBE_POD, "ns", "p", lx_now_ms() + 2000, on_result, &outcome);
    assert_int_equal(lx_loop_run_until(loop, &outcome.done, TEST_TIMEOUT_MS, NULL), 0);
    assert_int_equal(outcome.err.code, LX_E_IO);
    assert_non_null(strstr(outcome.err.text, "127.0.0.1"));
    outcome_done(&outcome);
    lx_kube_free(kube);
    lx_loop_free(loop);
}

static void test_bad_files(void **state)
{
    (void)state;
    struct lx_loop *loop;
    struct lx_kube *kube;
    struct lx_err err = {0};
    struct lx_kube_config config = {.server = lx_strdup("https://127.0.0.1:1"),
                                    .token_file = lx_strdup("/nonexistent/token"),
                                    .source = lx_strdup("kubeconfig /k")};
    assert_int_equal(lx_loop_new(&loop, NULL), 0);
    assert_int_equal(lx_kube_new(loop, &config, NULL, &kube, &err), -1);
    assert_non_null(strstr(err.text, "kubeconfig /k: "));
    assert_non_null(strstr(err.text, "/nonexistent/token"));
    lx_kube_config_done(&config);
    lx_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unreadable_answer),
        cmocka_unit_test(test_tries_again),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_token_rotates),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_get_and_list),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_class_deadline),
        cmocka_unit_test(test_delete_of_unknown_uid),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_background),
    };
    return cmocka_run_group_tests(tests, fake_group_setup, fake_group_teardown);
}
