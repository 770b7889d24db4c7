/* The HTTP client against our own server: many calls, bodies both ways, cancellation. */
#include "net_fixture.h"

#include "lunexec/clock.h"
#include "lunexec/httpd.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <stdio.h>
#include <sys/resource.h>

struct server {
    struct fixture fixture;
    struct lx_httpd *httpd;
    char *url;
    struct lx_httpd_req *held; /* the last request to /hold or /stream */
    unsigned requests, closed;
};

static void on_close(void *arg)
{
    struct server *server = arg;
    server->closed++;
    server->held = NULL;
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    struct server *server = arg;
    const char *path = lx_httpd_path(req);
    size_t len;
    const char *body = lx_httpd_body(req, &len);
    server->requests++;
    if (lx_streq(path, "/echo")) {
        lx_httpd_reply(req, 200, "text/plain", body, len);
    } else if (lx_streq(path, "/hold")) {
        server->held = req;
    } else if (lx_streq(path, "/stream")) {
        lx_httpd_stream_begin(req, 200, NULL, on_close, server);
        server->held = req;
    } else {
        lx_httpd_reply(req, 404, NULL, NULL, 0);
    }
}

static int setup(void **state)
{
    struct server *server = lx_alloc(sizeof(*server));
    struct lx_http_opts opts = {0};
    struct lx_httpd_opts httpd_opts = {
        .address = "127.0.0.1", .max_connections = 256, .on_request = on_request, .arg = server};
    assert_int_equal(lx_loop_new(&server->fixture.loop, NULL), 0);
    assert_int_equal(lx_http_new(server->fixture.loop, &opts, &server->fixture.http, NULL), 0);
    assert_int_equal(lx_httpd_new(server->fixture.loop, &httpd_opts, &server->httpd, NULL), 0);
    server->url = lx_strf("http://127.0.0.1:%u", lx_httpd_port(server->httpd));
    *state = server;
    return 0;
}

static int teardown(void **state)
{
    struct server *server = *state;
    lx_http_free(server->fixture.http);
    lx_httpd_free(server->httpd);
    lx_loop_free(server->fixture.loop);
    free(server->url);
    free(server);
    return 0;
}

#define N_PARALLEL 100

static void test_parallel(void **state)
{
    struct server *server = *state;
    static struct answer answers[N_PARALLEL];
    static char bodies[N_PARALLEL][16];
    lx_auto(str) char *url = lx_strf("%s/echo", server->url);
    for (size_t i = 0; i < N_PARALLEL; i++) {
        int len = snprintf(bodies[i], sizeof(bodies[i]), "body %zu", i);
        struct lx_http_req req = {
            .method = "POST", .url = url, .body = bodies[i], .body_len = (size_t)len};
        answer_init(&answers[i]);
        call_start(&server->fixture, &req, false, &answers[i]);
    }
    assert_int_equal(lx_http_active(server->fixture.http), N_PARALLEL);
    for (size_t i = 0; i < N_PARALLEL; i++) {
        wait_for(&server->fixture, &answers[i].done);
        assert_int_equal(answers[i].result.status, 200);
        assert_string_equal(answers[i].body, bodies[i]);
        assert_int_equal(answers[i].times, 1);
        answer_done(&answers[i]);
    }
    assert_int_equal(lx_http_active(server->fixture.http), 0);
}

/* ---- Bodies ---- */

struct upload {
    size_t at, total, max_piece;
    bool fail;
};

static ssize_t read_upload(void *arg, char *out, size_t size)
{
    struct answer *answer = arg;
    struct upload *upload = answer->user;
    if (upload->fail && upload->at > upload->total / 2)
        return -1;
    size_t len = upload->total - upload->at;
    len = len < size ? len : size;
    len = len < upload->max_piece ? len : upload->max_piece;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + (upload->at + i) % 26);
    upload->at += len;
    return (ssize_t)len;
}

static int rewind_upload(void *arg)
{
    struct answer *answer = arg;
    struct upload *upload = answer->user;
    upload->at = 0;
    return 0;
}

static void run_upload(struct server *server, struct upload *upload, size_t stated,
                       struct answer *answer)
{
    lx_auto(str) char *url = lx_strf("%s/echo", server->url);
    struct lx_http_req req = {.method = "PUT",
                              .url = url,
                              .read_body = read_upload,
                              .rewind_body = rewind_upload,
                              .body_len = stated};
    answer_init(answer);
    answer->user = upload;
    call_start(&server->fixture, &req, false, answer);
    WAIT_UNTIL(&server->fixture, answer->times == 1);
}

static void test_upload(void **state)
{
    struct server *server = *state;
    struct upload upload = {.total = 3000000, .max_piece = 10007};
    struct answer answer;
    run_upload(server, &upload, upload.total, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_ANSWERED);
    assert_int_equal(answer.result.body_len, upload.total);
    for (size_t i = 0; i < upload.total; i++) {
        if (answer.body[i] != (char)('a' + i % 26))
            fail_msg("byte %zu is wrong", i);
    }
    answer_done(&answer);
}

static void test_upload_aborted(void **state)
{
    struct server *server = *state;
    struct upload upload = {.total = 300000, .max_piece = 1000, .fail = true};
    struct answer answer;
    run_upload(server, &upload, upload.total, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_SENT);
    assert_int_equal(answer.result.err.code, LX_E_CANCELLED);
    answer_done(&answer);
}

static void test_upload_too_short(void **state)
{
    struct server *server = *state;
    struct upload upload = {.total = 1000, .max_piece = 1000};
    struct answer answer;
    run_upload(server, &upload, 1001, &answer);
    assert_int_equal(answer.result.err.code, LX_E_INVALID);
    assert_int_equal(server->requests, 0);
    answer_done(&answer);
}

/* ---- Cancellation ---- */

static void start(struct server *server, const char *path, bool stream, struct answer *answer)
{
    lx_auto(str) char *url = lx_strf("%s%s", server->url, path);
    struct lx_http_req req = {.url = url};
    answer_init(answer);
    call_start(&server->fixture, &req, stream, answer);
}

/* A whole call from start to end: whatever was posted before it has run after it. */
static void check_alive(struct server *server)
{
    struct answer answer;
    start(server, "/echo", false, &answer);
    wait_for(&server->fixture, &answer.done);
    assert_int_equal(answer.result.status, 200);
    answer_done(&answer);
}

static void test_cancel_at_once(void **state)
{
    struct server *server = *state;
    struct answer answer;
    start(server, "/echo", false, &answer);
    lx_http_cancel(answer.call);
    lx_http_cancel(NULL);
    assert_int_equal(lx_http_active(server->fixture.http), 0);
    check_alive(server);
    assert_int_equal(answer.times, 0);
    answer_done(&answer);
}

static void test_cancel_waiting(void **state)
{
    struct server *server = *state;
    struct answer answer;
    start(server, "/hold", false, &answer);
    WAIT_UNTIL(&server->fixture, server->held);
    lx_http_cancel(answer.call);
    check_alive(server);
    assert_int_equal(answer.times, 0);
    lx_httpd_reply(server->held, 200, NULL, "x", 1);
    answer_done(&answer);
}

static void test_cancel_stream(void **state)
{
    struct server *server = *state;
    struct answer answer;
    start(server, "/stream", true, &answer);
    WAIT_UNTIL(&server->fixture, server->held);
    assert_int_equal(lx_httpd_stream_write(server->held, "data", 4, NULL), 0);
    WAIT_UNTIL(&server->fixture, answer.stream.len == 4);
    lx_http_cancel(answer.call);
    WAIT_UNTIL(&server->fixture, server->closed == 1);
    assert_int_equal(answer.times, 0);
    answer_done(&answer);
}

struct late {
    struct answer answer, other;
    bool ran;
};

static int cancel_other(struct answer *answer, const char *data, size_t len)
{
    struct late *late = lx_container_of(answer, struct late, answer);
    (void)data;
    (void)len;
    lx_http_cancel(late->other.call);
    late->ran = true;
    return 0;
}

/* From inside curl: another call's callback cancels this one. */
static void test_cancel_inside_callback(void **state)
{
    struct server *server = *state;
    struct late late = {0};
    start(server, "/stream", true, &late.other);
    WAIT_UNTIL(&server->fixture, server->held);
    struct lx_httpd_req *other_req = server->held;
    server->held = NULL;
    start(server, "/stream", true, &late.answer);
    late.answer.on_data = cancel_other;
    WAIT_UNTIL(&server->fixture, server->held);
    assert_int_equal(lx_httpd_stream_write(other_req, "1", 1, NULL), 0);
    WAIT_UNTIL(&server->fixture, late.other.stream.len == 1);
    assert_int_equal(lx_httpd_stream_write(server->held, "2", 1, NULL), 0);
    struct lx_httpd_req *own_req = server->held;
    WAIT_UNTIL(&server->fixture, late.ran && server->closed == 1);
    assert_int_equal(late.other.times, 0);
    lx_httpd_stream_end(own_req);
    wait_for(&server->fixture, &late.answer.done);
    assert_int_equal(late.answer.result.reach, LX_HTTP_ANSWERED);
    answer_done(&late.answer);
    answer_done(&late.other);
}

static int cancel_self(struct answer *answer, const char *data, size_t len)
{
    (void)data;
    (void)len;
    lx_http_cancel(answer->call);
    lx_http_cancel(answer->call); /* harmless */
    return 0;
}

static void test_cancel_inside_own_callback(void **state)
{
    struct server *server = *state;
    struct answer answer;
    start(server, "/stream", true, &answer);
    answer.on_data = cancel_self;
    WAIT_UNTIL(&server->fixture, server->held);
    assert_int_equal(lx_httpd_stream_write(server->held, "x", 1, NULL), 0);
    WAIT_UNTIL(&server->fixture, server->closed == 1);
    check_alive(server);
    assert_int_equal(answer.times, 0);
    assert_int_equal(answer.stream.len, 1);
    assert_int_equal(lx_http_active(server->fixture.http), 0);
    answer_done(&answer);
}

static struct server *nested_server;
static struct answer nested;

static int start_nested(struct answer *answer, const char *data, size_t len)
{
    (void)data;
    (void)len;
    answer->on_data = NULL;
    start(nested_server, "/echo", false, &nested);
    return 0;
}

static void test_start_inside_callback(void **state)
{
    struct server *server = *state;
    struct answer answer;
    nested_server = server;
    start(server, "/stream", true, &answer);
    answer.on_data = start_nested;
    WAIT_UNTIL(&server->fixture, server->held);
    assert_int_equal(lx_httpd_stream_write(server->held, "x", 1, NULL), 0);
    WAIT_UNTIL(&server->fixture, nested.done);
    assert_int_equal(nested.result.status, 200);
    lx_httpd_stream_end(server->held);
    wait_for(&server->fixture, &answer.done);
    answer_done(&answer);
    answer_done(&nested);
}

struct chain {
    struct server *server;
    struct lx_http_call *call;
    unsigned left;
    bool end;
};

/* A callback may cancel its own finished call and start the next one. */
static void chain_done(void *arg, const struct lx_http_result *result)
{
    struct chain *chain = arg;
    assert_int_equal(result->status, 200);
    lx_http_cancel(chain->call);
    if (--chain->left == 0) {
        chain->end = true;
        return;
    }
    lx_auto(str) char *url = lx_strf("%s/echo", chain->server->url);
    struct lx_http_req req = {.url = url, .on_done = chain_done, .arg = chain};
    assert_int_equal(lx_http_start(chain->server->fixture.http, &req, &chain->call, NULL), 0);
}

static void test_chain(void **state)
{
    struct server *server = *state;
    struct chain chain = {.server = server, .left = 50};
    lx_auto(str) char *url = lx_strf("%s/echo", server->url);
    struct lx_http_req req = {.url = url, .on_done = chain_done, .arg = &chain};
    assert_int_equal(lx_http_start(server->fixture.http, &req, &chain.call, NULL), 0);
    wait_for(&server->fixture, &chain.end);
    assert_int_equal(server->requests, 50);
}

/* Freeing the client ends its calls without a word to them. */
static void test_free_with_calls(void **state)
{
    struct server *server = *state;
    struct answer answers[3];
    struct lx_http_opts opts = {0};
    start(server, "/stream", true, &answers[0]);
    WAIT_UNTIL(&server->fixture, server->held);
    start(server, "/hold", false, &answers[1]);
    start(server, "/echo", false, &answers[2]);
    lx_http_free(server->fixture.http);
    WAIT_UNTIL(&server->fixture, server->closed == 1);
    assert_int_equal(lx_http_new(server->fixture.loop, &opts, &server->fixture.http, NULL), 0);
    check_alive(server);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(answers[i].times, 0);
        answer_done(&answers[i]);
    }
}

/* style 3.3: endless bodies cancelled half-way leave the client able to go on. */
static void test_cancel_many_then_go_on(void **state)
{
    struct server *server = *state;
    static struct answer answers[40];
    static char block[65536];
    memset(block, 'x', sizeof(block));
    for (unsigned round = 0; round < 5; round++) {
        for (size_t i = 0; i < 8; i++) {
            struct answer *answer = &answers[round * 8 + i];
            server->held = NULL;
            start(server, "/stream", true, answer);
            WAIT_UNTIL(&server->fixture, server->held);
            assert_int_equal(lx_httpd_stream_write(server->held, block, sizeof(block), NULL), 0);
        }
        for (size_t i = 0; i < 8; i++) {
            struct answer *answer = &answers[round * 8 + i];
            WAIT_UNTIL(&server->fixture, answer->stream.len > 0);
            lx_http_cancel(answer->call);
            assert_int_equal(answer->times, 0);
            answer_done(answer);
        }
    }
    struct upload upload = {.total = 5242880, .max_piece = 65536};
    struct answer last;
    run_upload(server, &upload, upload.total, &last);
    assert_int_equal(last.result.body_len, upload.total);
    answer_done(&last);
    WAIT_UNTIL(&server->fixture, server->closed == 40);
}

/* Names go through curl's resolver thread, and localhost may be ::1 first. */
static void test_name(void **state)
{
    struct server *server = *state;
    struct answer answer;
    lx_auto(str) char *url = lx_strf("http://localhost:%u/echo", lx_httpd_port(server->httpd));
    struct lx_http_req req = {.method = "POST", .url = url, .body = "x", .body_len = 1};
    answer_init(&answer);
    call_wait(&server->fixture, &req, &answer);
    assert_int_equal(answer.result.status, 200);
    answer_done(&answer);
}

/* An idle client and server let the loop sleep: it is woken for the end of the wait only. */
static void test_idle_is_quiet(void **state)
{
    struct server *server = *state;
    static const bool never;
    struct rusage before, after;
    check_alive(server); /* leaves an idle connection */
    for (int i = 0; i < 50; i++)
        loop_turn(&server->fixture);
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    (void)lx_loop_run_until(server->fixture.loop, &never, 1500, NULL);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 1, 5);
}

/* A call without an answer holds up no other, also as the first one to a host. */
static void test_nothing_waits_behind_a_hanging_call(void **state)
{
    struct server *server = *state;
    struct answer hanging, other;
    lx_auto(str) char *hold = lx_strf("%s/hold", server->url);
    lx_auto(str) char *echo = lx_strf("%s/echo", server->url);
    struct lx_http_req first = {.url = hold, .timeout_ms = 2 * TEST_TIMEOUT_MS};
    struct lx_http_req second = {.method = "POST", .url = echo, .body = "x", .body_len = 1};
    answer_init(&hanging);
    answer_init(&other);
    call_start(&server->fixture, &first, false, &hanging);
    call_start(&server->fixture, &second, false, &other);
    wait_for(&server->fixture, &other.done);
    assert_int_equal(other.result.status, 200);
    assert_false(hanging.done);
    lx_http_cancel(hanging.call);
    answer_done(&hanging);
    answer_done(&other);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parallel),
        TEST(test_upload),
        TEST(test_upload_aborted),
        TEST(test_upload_too_short),
        TEST(test_cancel_at_once),
        TEST(test_cancel_waiting),
        TEST(test_cancel_stream),
        TEST(test_cancel_inside_callback),
        TEST(test_cancel_inside_own_callback),
        TEST(test_start_inside_callback),
        TEST(test_chain),
        TEST(test_nothing_waits_behind_a_hanging_call),
        TEST(test_free_with_calls),
        TEST(test_cancel_many_then_go_on),
        TEST(test_name),
        TEST(test_idle_is_quiet),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
