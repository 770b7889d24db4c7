/* The HTTP client when things break: how far a call came, dead connections, deadlines, limits. */
#include "net_fixture.h"
#include "net_peer.h"

#include "lunexec/clock.h"
#include "lunexec/mem.h"

#include <unistd.h>

static void serve_ok(struct peer *peer, int fd)
{
    while (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void test_refused_is_unsent(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_ok);
    lx_auto(str) char *url = peer_url(&peer, "/secret?token=hidden");
    peer_stop(&peer);
    struct lx_http_req req = {.method = "POST", .url = url, .body = "x", .body_len = 1};
    answer_init(&answer);
    call_wait(fixture, &req, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_UNSENT);
    assert_int_equal(answer.result.status, 0);
    assert_int_equal(answer.result.err.code, LX_E_IO);
    lx_auto(str) char *where = lx_strf("127.0.0.1:%u: ", peer.port);
    assert_ptr_equal(strstr(answer.result.err.text, where), answer.result.err.text);
    assert_null(strstr(answer.result.err.text, "hidden"));
    answer_done(&answer);
}

static void test_unknown_host_is_unsent(void **state)
{
    struct answer answer;
    struct lx_http_req req = {.url = "http://no-such-host.invalid/"};
    answer_init(&answer);
    call_wait(*state, &req, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_UNSENT);
    assert_non_null(strstr(answer.result.err.text, "no-such-host.invalid"));
    answer_done(&answer);
}

static void serve_silent_end(struct peer *peer, int fd)
{
    (void)peer_read(peer, fd);
}

static void test_no_answer_is_sent(void **state)
{
    struct answer answer;
    peer_get_once(*state, serve_silent_end, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_SENT);
    assert_int_equal(answer.result.err.code, LX_E_IO);
    answer_done(&answer);
}

static void serve_reset(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_reset(fd);
}

static void test_reset_is_sent(void **state)
{
    struct answer answer;
    peer_get_once(*state, serve_reset, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_SENT);
    answer_done(&answer);
}

static void serve_garbage(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_send(fd, "SSH-2.0-OpenSSH_9.2\r\n");
}

static void test_garbage_is_peer_error(void **state)
{
    struct answer answer;
    peer_get_once(*state, serve_garbage, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_SENT);
    assert_int_equal(answer.result.err.code, LX_E_PEER);
    answer_done(&answer);
}

static void serve_cut_length(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
}

static void serve_cut_chunk(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
}

static void serve_cut_reset(struct peer *peer, int fd)
{
    serve_cut_length(peer, fd);
    peer_wait_go(peer);
    peer_reset(fd);
}

static void check_cut(struct answer *answer)
{
    assert_int_equal(answer->result.reach, LX_HTTP_CUT);
    assert_int_equal(answer->result.status, 200);
    assert_int_equal(answer->result.err.code, LX_E_IO);
    assert_string_equal(answer->body, "part");
    answer_done(answer);
}

static void test_cut(void **state)
{
    struct answer answer;
    peer_get_once(*state, serve_cut_length, &answer);
    check_cut(&answer);
    peer_get_once(*state, serve_cut_chunk, &answer);
    check_cut(&answer);
}

static void test_reset_mid_stream_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_cut_reset);
    lx_auto(str) char *url = peer_url(&peer, "/log");
    struct lx_http_req req = {.url = url};
    answer_init(&answer);
    call_start(fixture, &req, true, &answer);
    WAIT_UNTIL(fixture, answer.stream.len == 4);
    (void)sem_post(&peer.go);
    wait_for(fixture, &answer.done);
    assert_int_equal(answer.result.reach, LX_HTTP_CUT);
    assert_int_equal(answer.result.status, 200);
    peer_stop(&peer);
    answer_done(&answer);
}

/* ---- A kept connection that the peer has closed ---- */

/* Answers the first request of the first connection; the second finds it closed unanswered. */
static void serve_one_then_die(struct peer *peer, int fd)
{
    if (!peer_read(peer, fd))
        return;
    peer_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (peer->accepted == 1)
        (void)peer_read(peer, fd);
}

static void check_dead_connection(struct fixture *fixture, bool once, enum lx_http_reach reach,
                                  unsigned requests)
{
    struct peer peer;
    struct answer first, second;
    peer_start(&peer, serve_one_then_die);
    lx_auto(str) char *url = peer_url(&peer, "/dequeue");
    struct lx_http_req req = {
        .method = "POST", .url = url, .body = "{}", .body_len = 2, .once = once};
    answer_init(&first);
    call_wait(fixture, &req, &first);
    assert_int_equal(first.result.status, 200);
    answer_init(&second);
    call_wait(fixture, &req, &second);
    peer_drop_connections(fixture);
    peer_stop(&peer);
    assert_int_equal(second.result.reach, reach);
    assert_int_equal(peer.requests, requests);
    answer_done(&first);
    answer_done(&second);
}

static void test_dead_connection_is_retried(void **state)
{
    check_dead_connection(*state, false, LX_HTTP_ANSWERED, 3);
}

static void test_once_is_never_sent_twice(void **state)
{
    check_dead_connection(*state, true, LX_HTTP_SENT, 2);
}

static void serve_single(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* A connection that the peer closed while it was idle is not used again, so nothing is lost. */
static void test_closed_while_idle(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    peer_start(&peer, serve_single);
    lx_auto(str) char *url = peer_url(&peer, "/dequeue");
    struct lx_http_req req = {
        .method = "POST", .url = url, .body = "{}", .body_len = 2, .once = true};
    for (unsigned i = 1; i <= 3; i++) {
        struct answer answer;
        answer_init(&answer);
        call_wait(fixture, &req, &answer);
        assert_int_equal(answer.result.reach, LX_HTTP_ANSWERED);
        WAIT_UNTIL(fixture, peer.closed == i);
        answer_done(&answer);
    }
    peer_stop(&peer);
    assert_int_equal(peer.requests, 3);
}

/* ---- Deadlines ---- */

static void serve_stall(struct peer *peer, int fd)
{
    if (peer_read(peer, fd))
        peer_wait_close(fd);
}

static void test_timeout(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_stall);
    lx_auto(str) char *url = peer_url(&peer, "/");
    struct lx_http_req req = {.url = url, .timeout_ms = 1000};
    uint64_t start = lx_now_ms();
    answer_init(&answer);
    call_wait(fixture, &req, &answer);
    assert_in_range(lx_now_ms() - start, 990, 15000);
    assert_int_equal(answer.result.reach, LX_HTTP_SENT);
    assert_int_equal(answer.result.err.code, LX_E_TIMEOUT);
    assert_in_range(answer.result.duration_ms, 990, 15000);
    peer_stop(&peer);
    answer_done(&answer);
}

static void trickle(struct peer *peer, int fd, int bytes)
{
    if (!peer_read(peer, fd))
        return;
    peer_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < bytes; i++) {
        peer_wait_go(peer);
        peer_send(fd, "1\r\nx\r\n");
    }
    peer_wait_close(fd);
}

static void serve_trickle(struct peer *peer, int fd)
{
    trickle(peer, fd, 4);
}

static void serve_one_byte(struct peer *peer, int fd)
{
    trickle(peer, fd, 1);
}

static void let_go(void *arg)
{
    (void)sem_post(arg);
}

/* A call with an idle timeout of 1500 ms until it is over, with a timer at `peer->go`. */
static void call_until_idle(struct fixture *fixture, void (*serve)(struct peer *, int fd),
                            void (*on_time)(void *arg), uint64_t delay_ms, uint64_t repeat_ms,
                            struct answer *answer)
{
    struct peer peer;
    peer_start(&peer, serve);
    lx_auto(str) char *url = peer_url(&peer, "/watch");
    struct lx_http_req req = {.url = url, .idle_timeout_ms = 1500};
    struct lx_timer *timer = lx_timer_new(fixture->loop, on_time, &peer.go);
    lx_timer_start(timer, delay_ms, repeat_ms);
    answer_init(answer);
    call_start(fixture, &req, true, answer);
    wait_for(fixture, &answer->done);
    lx_timer_free(timer);
    peer_stop(&peer);
    assert_int_equal(answer->result.reach, LX_HTTP_CUT);
    assert_int_equal(answer->result.err.code, LX_E_TIMEOUT);
}

/* Bytes every 500 ms keep the call alive; silence ends it. */
static void test_idle_timeout(void **state)
{
    struct answer answer;
    uint64_t start = lx_now_ms();
    call_until_idle(*state, serve_trickle, let_go, 500, 500, &answer);
    assert_string_equal(lx_buf_str(&answer.stream), "xxxx");
    assert_true(lx_now_ms() - start >= 3400);
    answer_done(&answer);
}

static void let_go_and_hold_up(void *arg)
{
    let_go(arg);
    (void)usleep(2000000);
}

/* A byte that came in time counts, even when the loop is too late to see it. */
static void test_idle_timeout_of_a_late_loop(void **state)
{
    struct answer answer;
    call_until_idle(*state, serve_one_byte, let_go_and_hold_up, 300, 0, &answer);
    assert_string_equal(lx_buf_str(&answer.stream), "x");
    answer_done(&answer);
}

static void serve_blackhole(struct peer *peer, int fd)
{
    (void)peer;
    peer_wait_close(fd);
}

/* TCP is open but TLS never answers: the connect timeout covers it. */
static void test_connect_timeout(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    struct lx_http_opts opts = {.connect_timeout_ms = 200};
    peer_new_client(fixture, &opts);
    peer_start(&peer, serve_blackhole);
    lx_auto(str) char *url = lx_strf("https://127.0.0.1:%u/", peer.port);
    struct lx_http_req req = {.url = url};
    answer_init(&answer);
    call_wait(fixture, &req, &answer);
    assert_int_equal(answer.result.reach, LX_HTTP_UNSENT);
    assert_int_equal(answer.result.err.code, LX_E_TIMEOUT);
    peer_stop(&peer);
    answer_done(&answer);
}

/* ---- Limits ---- */

static void serve_large(struct peer *peer, int fd)
{
    static char text[32769];
    if (!peer_read(peer, fd))
        return;
    memset(text, 'x', sizeof(text) - 1);
    peer_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 32768\r\n\r\n");
    peer_send(fd, text);
}

static void check_max_body(struct fixture *fixture, size_t max, bool ok)
{
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_large);
    lx_auto(str) char *url = peer_url(&peer, "/");
    struct lx_http_req req = {.url = url, .max_body = max};
    answer_init(&answer);
    call_wait(fixture, &req, &answer);
    assert_int_equal(answer.result.reach, ok ? LX_HTTP_ANSWERED : LX_HTTP_CUT);
    assert_int_equal(answer.result.err.code, ok ? LX_OK : LX_E_LIMIT);
    peer_stop(&peer);
    answer_done(&answer);
}

static void test_max_body(void **state)
{
    check_max_body(*state, 32768, true);
    check_max_body(*state, 32767, false);
}

static int refuse_data(struct answer *answer, const char *data, size_t len)
{
    (void)answer;
    (void)data;
    (void)len;
    return 1;
}

static void test_receiver_stops(void **state)
{
    struct fixture *fixture = *state;
    struct peer peer;
    struct answer answer;
    peer_start(&peer, serve_large);
    lx_auto(str) char *url = peer_url(&peer, "/");
    struct lx_http_req req = {.url = url};
    answer_init(&answer);
    answer.on_data = refuse_data;
    call_start(fixture, &req, true, &answer);
    wait_for(fixture, &answer.done);
    assert_int_equal(answer.result.reach, LX_HTTP_CUT);
    assert_int_equal(answer.result.err.code, LX_E_CANCELLED);
    peer_stop(&peer);
    answer_done(&answer);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refused_is_unsent),
        TEST(test_unknown_host_is_unsent),
        TEST(test_no_answer_is_sent),
        TEST(test_reset_is_sent),
        TEST(test_garbage_is_peer_error),
        TEST(test_cut),
        TEST(test_reset_mid_stream_is_cut),
        TEST(test_dead_connection_is_retried),
        TEST(test_once_is_never_sent_twice),
        TEST(test_closed_while_idle),
        TEST(test_timeout),
        TEST(test_idle_timeout),
        TEST(test_idle_timeout_of_a_late_loop),
        TEST(test_connect_timeout),
        TEST(test_max_body),
        TEST(test_receiver_stops),
    };
    return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
