/* The HTTP client against a scripted peer: what reaches the peer, and what comes of its answer. */
#include "net_fixture.h"
#include "net_peer.h"

#include "lunexec/clock.h"
#include "lunexec/mem.h"

static void serve_ok(struct peer *peer, int fd)
{
    while (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void test_request_as_sent(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_ok);
    lx_auto(str) char *url = peer_url(&peer, "/a/../b?q=1");
    const char *const headers[] = {"X-One: 1", "X-Empty:", "Content-Type: application/json", NULL};
    struct lx_http_req req = {
        .method = "POST", .url = url, .headers = headers, .body = "{\"a\":1}", .body_len = 7};
    answer_init(&answer);
    call_wait(fixture, &req, &answer);
    peer_drop_connections(fixture);
    peer_stop(&peer);
    assert_int_equal(answer.result.reach, LX_HTTP_ANSWERED);
    assert_int_equal(answer.result.status, 200);
    assert_string_equal(answer.body, "ok");
    assert_int_equal(answer.head, 200);
    lx_auto(str) char *expected =
        lx_strf("POST /a/../b?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: */*\r\nX-One: 1\r\n"
                "X-Empty:\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
                peer.port);
    assert_string_equal(peer.last, expected);
    answer_done(&answer);
}

static void check_method(struct fixture *fixture, const char *method, const char *body,
                         const char *expected_start, const char *expected_in)
{
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_ok);
    lx_auto(str) char *url = peer_url(&peer, "/m");
    struct lx_http_req req = {
        .method = method, .url = url, .body = body, .body_len = body ? strlen(body) : 0};
    answer_init(&answer);
    call_wait(fixture, &req, &answer);
    peer_drop_connections(fixture);
    peer_stop(&peer);
    assert_int_equal(answer.result.reach, LX_HTTP_ANSWERED);
    if (strncmp(peer.last, expected_start, strlen(expected_start)) != 0 ||
        (expected_in ? !strstr(peer.last, expected_in) : !!strstr(peer.last, "Content-Length")))
        fail_msg("unexpected request: %s", peer.last);
    assert_null(strstr(peer.last, "Expect"));
    answer_done(&answer);
}

static void test_methods(void **state)
{
    struct fixture *fixture = *state;
    check_method(fixture, NULL, NULL, "GET /m HTTP/1.1\r\n", NULL);
    check_method(fixture, "GET", "null", "GET /m HTTP/1.1\r\n", "Content-Length: 4\r\n\r\nnull");
    check_method(fixture, "DELETE", NULL, "DELETE /m HTTP/1.1\r\n", NULL);
    check_method(fixture, "DELETE", "{}", "DELETE /m HTTP/1.1\r\n", "Content-Length: 2\r\n\r\n{}");
    check_method(fixture, "POST", NULL, "POST /m HTTP/1.1\r\n", "Content-Length: 0\r\n\r\n");
    check_method(fixture, "PATCH", "x", "PATCH /m HTTP/1.1\r\n", "Content-Length: 1\r\n\r\nx");
}

static void test_malformed_requests(void **state)
{
    struct fixture *fixture = *state;
    const char *const line_break[] = {"X-A: b\r\nX-Evil: 1", NULL};
    const char *const no_colon[] = {"X-A", NULL};
    const char *const bad_name[] = {"X A: b", NULL};
    const struct lx_http_req bad[] = {
        {.url = "ftp://h/x"},
        {.url = "http://"},
        {.url = "http://h/a b"},
        {.url = "http://h/", .method = "GET x"},
        {.url = "http://h/", .method = ""},
        {.url = "http://h/", .headers = line_break},
        {.url = "http://h/", .headers = no_colon},
        {.url = "http://h/", .headers = bad_name},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lx_err err = {0};
        if (lx_http_start(fixture->http, &bad[i], NULL, &err) == 0)
            fail_msg("accepted request %zu", i);
        assert_int_equal(err.code, LX_E_INVALID);
    }
    assert_int_equal(lx_http_active(fixture->http), 0);
}

static void test_keep_alive(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    peer_start(&peer, serve_ok);
    lx_auto(str) char *url = peer_url(&peer, "/");
    for (int i = 0; i < 5; i++) {
        struct answer answer;
        struct lx_http_req req = {
            .method = i % 2 ? "POST" : "GET", .url = url, .body = "x", .body_len = 1};
        answer_init(&answer);
        call_wait(fixture, &req, &answer);
        assert_int_equal(answer.result.status, 200);
        answer_done(&answer);
    }
    peer_drop_connections(fixture);
    peer_stop(&peer);
    assert_int_equal(peer.accepted, 1);
    assert_int_equal(peer.requests, 5);
}

static void serve_pieces(struct peer *peer, int fd)
{
    if (!peer_read(peer, fd))
        return;
    peer_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer_wait_go(peer);
    peer_send(fd, "3\r\none\r\n");
    peer_wait_go(peer);
    peer_send(fd, "3\r\ntwo\r\n");
    peer_wait_go(peer);
    peer_send(fd, "0\r\n\r\n");
}

/* Each piece is there before the peer sends the next one. */
static void test_stream_piecewise(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_pieces);
    lx_auto(str) char *url = peer_url(&peer, "/watch");
    struct lx_http_req req = {.url = url};
    answer_init(&answer);
    call_start(fixture, &req, true, &answer);
    WAIT_UNTIL(fixture, answer.head == 200);
    assert_int_equal(answer.stream.len, 0);
    (void)sem_post(&peer.go);
    WAIT_UNTIL(fixture, answer.stream.len == 3);
    (void)sem_post(&peer.go);
    WAIT_UNTIL(fixture, answer.stream.len == 6);
    assert_false(answer.done);
    assert_int_equal(lx_http_active(fixture->http), 1);
    (void)sem_post(&peer.go);
    wait_for(fixture, &answer.done);
    assert_string_equal(lx_buf_str(&answer.stream), "onetwo");
    assert_int_equal(answer.result.reach, LX_HTTP_ANSWERED);
    assert_string_equal(answer.body, "");
    assert_int_equal(lx_http_active(fixture->http), 0);
    peer_stop(&peer);
    answer_done(&answer);
}

static void serve_forbidden(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied");
}

/* A stream that is refused brings its body to on_done. */
static void test_stream_refused(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_forbidden);
    lx_auto(str) char *url = peer_url(&peer, "/watch");
    struct lx_http_req req = {.url = url};
    answer_init(&answer);
    call_start(fixture, &req, true, &answer);
    wait_for(fixture, &answer.done);
    assert_int_equal(answer.result.status, 403);
    assert_string_equal(answer.body, "denied");
    assert_int_equal(answer.stream.len, 0);
    peer_stop(&peer);
    answer_done(&answer);
}

static void serve_continue(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
                      "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
}

static void test_interim_and_retry_after(void **state)
{
    struct answer answer;
    peer_get_once(*state, serve_continue, &answer);
    assert_int_equal(answer.head, 429);
    assert_int_equal(answer.result.status, 429);
    assert_int_equal(answer.result.retry_after_ms, 7000);
    answer_done(&answer);
}

static void serve_retry_date(struct peer *peer, int fd)
{
    time_t then = lx_wall().tv_sec + 90;
    struct tm tm;
    char date[64];
    if (!peer_read(peer, fd))
        return;
    assert_true(strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &tm)));
    lx_auto(str) char *text = lx_strf("HTTP/1.1 503 Busy\r\nRetry-After: %s\r\n"
                                      "Content-Length: 0\r\n\r\n",
                                      date);
    peer_send(fd, text);
}

static void test_retry_after_date(void **state)
{
    struct answer answer;
    peer_get_once(*state, serve_retry_date, &answer);
    assert_int_equal(answer.result.status, 503);
    assert_in_range(answer.result.retry_after_ms, 80000, 90000);
    answer_done(&answer);
}

static void serve_redirect(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
}

static void test_no_redirect(void **state)
{
    struct answer answer;
    peer_get_once(*state, serve_redirect, &answer);
    assert_int_equal(answer.result.status, 302);
    assert_int_equal(answer.result.reach, LX_HTTP_ANSWERED);
    answer_done(&answer);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request_as_sent),
        TEST(test_methods),
        TEST(test_malformed_requests),
        TEST(test_keep_alive),
        TEST(test_stream_piecewise),
        TEST(test_stream_refused),
        TEST(test_interim_and_retry_after),
        TEST(test_retry_after_date),
        TEST(test_no_redirect),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
