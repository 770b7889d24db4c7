/* The HTTP server, seen from raw sockets. */
#include "lunexec/httpd.h"

#include "lunexec/buf.h"
#include "lunexec/clock.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_MS 20000

struct server {
    struct lx_loop *loop;
    struct lx_httpd *httpd;
    struct lx_httpd_req *held; /* the last request to /hold or /stream */
    struct lx_buf seen;        /* what /describe saw */
    unsigned requests, closed;
    uint64_t closed_at;
};

static void on_close(void *arg)
{
    struct server *server = arg;
    server->closed++;
    server->closed_at = lx_now_ms();
    server->held = NULL;
}

static void describe(struct server *server, const struct lx_httpd_req *req)
{
    size_t len;
    const char *body = lx_httpd_body(req, &len);
    const char *q = lx_httpd_query(req, "q r");
    const char *empty = lx_httpd_query(req, "empty");
    const char *header = lx_httpd_header(req, "x-one");
    assert_null(lx_httpd_query(req, "absent"));
    assert_null(lx_httpd_header(req, "X-Absent"));
    assert_int_equal(len, strlen(body));
    assert_int_equal(lx_buf_addf(&server->seen, NULL, "%s %s %s [%s] q=%s empty=%s one=%s body=%s",
                                 lx_httpd_method(req), lx_httpd_path(req), lx_httpd_raw_path(req),
                                 lx_httpd_query_string(req), q ? q : "-", empty ? empty : "-",
                                 header ? header : "-", body),
                     0);
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    static const char *const extra[] = {"X-Extra: yes", "Content-Type: text/x", NULL};
    struct server *server = arg;
    const char *path = lx_httpd_path(req);
    server->requests++;
    if (lx_streq(path, "/hold")) {
        server->held = req;
    } else if (lx_streq(path, "/stream")) {
        lx_httpd_stream_begin(req, 200, extra, on_close, server);
        server->held = req;
    } else if (lx_streq(path, "/drop")) {
        lx_httpd_drop(req);
    } else if (lx_streq(path, "/extra")) {
        lx_httpd_reply_with(req, 409, extra, "conflict", 8);
    } else if (lx_streq(path, "/empty")) {
        lx_httpd_reply(req, 204, NULL, NULL, 0);
    } else {
        describe(server, req);
        lx_httpd_reply(req, 200, "text/plain", "ok", 2);
    }
}

static struct lx_httpd_opts options(struct server *server)
{
    return (struct lx_httpd_opts){
        .address = "127.0.0.1", .max_body = 1000, .on_request = on_request, .arg = server};
}

static int setup(void **state)
{
    struct server *server = lx_alloc(sizeof(*server));
    struct lx_httpd_opts opts = options(server);
    lx_buf_init(&server->seen, 10000);
    assert_int_equal(lx_loop_new(&server->loop, NULL), 0);
    assert_int_equal(lx_httpd_new(server->loop, &opts, &server->httpd, NULL), 0);
    *state = server;
    return 0;
}

static int teardown(void **state)
{
    struct server *server = *state;
    lx_httpd_free(server->httpd);
    lx_loop_free(server->loop);
    lx_buf_done(&server->seen);
    free(server);
    return 0;
}

/* ---- A client of raw bytes, on the same thread ---- */

static int dial(const struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)lx_httpd_port(server->httpd)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void turn(struct server *server)
{
    static const bool never;
    (void)lx_loop_run_until(server->loop, &never, 2, NULL);
}

#define WAIT_UNTIL(server, condition)                                                              \
    do {                                                                                           \
        uint64_t end_ = lx_now_ms() + TIMEOUT_MS;                                                  \
        while (!(condition)) {                                                                     \
            assert_true(lx_now_ms() < end_);                                                       \
            turn(server);                                                                          \
        }                                                                                          \
    } while (0)

/* Reads what is there; false at the end of the connection. */
static bool take(int fd, struct lx_buf *buf)
{
    char data[65536];
    ssize_t got = recv(fd, data, sizeof(data), MSG_DONTWAIT);
    if (got > 0)
        assert_int_equal(lx_buf_add(buf, data, (size_t)got, NULL), 0);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

static bool holds(int fd, struct lx_buf *buf, const char *text)
{
    return take(fd, buf) && strstr(lx_buf_str(buf), text);
}

/* Sends and waits until the answer holds `until`; free(). */
static char *ask(struct server *server, int fd, const char *request, const char *until)
{
    struct lx_buf buf = LX_BUF_INIT(1000000);
    put(fd, request);
    WAIT_UNTIL(server, holds(fd, &buf, until));
    return lx_buf_take(&buf);
}

/* ---- Requests ---- */

static void test_request(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    lx_auto(str) char *answer =
        ask(server, fd,
            "POST /a%2Fb/%C3%A9%00%zz?q+r=1%262&empty&x=y HTTP/1.1\r\nHost: h\r\nX-One: 1\r\n"
            "Content-Length: 5\r\n\r\nhello",
            "\r\n\r\nok");
    assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
    assert_non_null(strstr(answer, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(answer, "Content-Length: 2\r\n"));
    assert_string_equal(lx_buf_str(&server->seen),
                        "POST /a/b/\xc3\xa9%00%zz /a%2Fb/%C3%A9%00%zz [q+r=1%262&empty&x=y] "
                        "q=1&2 empty= one=1 body=hello");
    (void)close(fd);
}

static void test_body_in_pieces(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    put(fd, "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    turn(server);
    put(fd, "3\r\ntw");
    turn(server);
    lx_auto(str) char *answer = ask(server, fd, "o\r\n0\r\n\r\n", "\r\n\r\nok");
    assert_non_null(strstr(lx_buf_str(&server->seen), "body=onetwo"));
    (void)close(fd);
}

static void test_keep_alive(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    for (int i = 0; i < 3; i++) {
        lx_auto(str) char *answer =
            ask(server, fd, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\nok");
        assert_non_null(answer);
    }
    assert_int_equal(server->requests, 3);
    (void)close(fd);
}

static void test_answers(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    lx_auto(str) char *extra =
        ask(server, fd, "GET /extra HTTP/1.1\r\nHost: h\r\n\r\n", "conflict");
    assert_non_null(strstr(extra, "HTTP/1.1 409 "));
    assert_non_null(strstr(extra, "\r\nX-Extra: yes\r\n"));
    assert_non_null(strstr(extra, "\r\nContent-Type: text/x\r\n"));
    lx_auto(str) char *empty =
        ask(server, fd, "GET /empty HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n");
    assert_non_null(strstr(empty, "HTTP/1.1 204 "));
    lx_auto(str) char *head = ask(server, fd, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n");
    assert_non_null(strstr(head, "Content-Length: 2\r\n"));
    assert_true(lx_ends_with(head, "\r\n\r\n"));
    (void)close(fd);
}

static void test_body_too_large(void **state)
{
    struct server *server = *state;
    char body[1002];
    memset(body, 'x', sizeof(body));
    body[1001] = '\0';
    int fd = dial(server);
    lx_auto(str) char *request =
        lx_strf("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n%s", body);
    lx_auto(str) char *answer = ask(server, fd, request, "too large");
    assert_non_null(strstr(answer, "HTTP/1.1 413 "));
    assert_int_equal(server->requests, 0);
    (void)close(fd);
}

static void test_later_answer(void **state)
{
    struct server *server = *state;
    int fd = dial(server), other = dial(server);
    put(fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(server, server->held);
    lx_auto(str) char *meanwhile =
        ask(server, other, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\nok");
    struct lx_buf buf = LX_BUF_INIT(10000);
    assert_true(take(fd, &buf));
    assert_int_equal(buf.len, 0);
    lx_httpd_reply(server->held, 200, NULL, "late", 4);
    WAIT_UNTIL(server, holds(fd, &buf, "\r\n\r\nlate"));
    lx_buf_done(&buf);
    (void)close(fd);
    (void)close(other);
}

/* The client gives up; the handler answers all the same. */
static void test_answer_to_nobody(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    put(fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(server, server->held);
    (void)close(fd);
    turn(server);
    lx_httpd_reply(server->held, 200, NULL, "late", 4);
    fd = dial(server);
    lx_auto(str) char *answer = ask(server, fd, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\nok");
    assert_non_null(answer);
    (void)close(fd);
}

static void test_drop(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    int fd = dial(server);
    put(fd, "GET /drop HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(server, !take(fd, &buf));
    assert_int_equal(buf.len, 0);
    assert_int_equal(server->requests, 1);
    (void)close(fd);
}

/* ---- Streams ---- */

static int open_stream(struct server *server, struct lx_buf *buf)
{
    int fd = dial(server);
    server->held = NULL;
    put(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(server, holds(fd, buf, "\r\n\r\n"));
    return fd;
}

static void test_stream(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    int fd = open_stream(server, &buf);
    assert_non_null(strstr(lx_buf_str(&buf), "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(lx_buf_str(&buf), "X-Extra: yes\r\n"));
    assert_int_equal(lx_httpd_stream_write(server->held, "one", 3, NULL), 0);
    assert_int_equal(lx_httpd_stream_pending(server->held), 3);
    WAIT_UNTIL(server, holds(fd, &buf, "3\r\none\r\n"));
    assert_int_equal(lx_httpd_stream_pending(server->held), 0);
    assert_int_equal(lx_httpd_stream_write(server->held, "two", 3, NULL), 0);
    assert_int_equal(lx_httpd_stream_write(server->held, "three", 5, NULL), 0);
    WAIT_UNTIL(server, holds(fd, &buf, "8\r\ntwothree\r\n"));
    lx_httpd_stream_end(server->held);
    WAIT_UNTIL(server, holds(fd, &buf, "\r\n0\r\n\r\n"));
    /* The connection lives on. */
    lx_auto(str) char *answer = ask(server, fd, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\nok");
    assert_int_equal(server->closed, 0);
    lx_buf_done(&buf);
    (void)close(fd);
}

static void test_stream_end_takes_all(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(4000000);
    static char block[100000];
    memset(block, 'x', sizeof(block));
    int fd = open_stream(server, &buf);
    for (int i = 0; i < 20; i++)
        assert_int_equal(lx_httpd_stream_write(server->held, block, sizeof(block), NULL), 0);
    lx_httpd_stream_end(server->held);
    WAIT_UNTIL(server, holds(fd, &buf, "\r\n0\r\n\r\n"));
    size_t count = 0;
    for (const char *p = strstr(lx_buf_str(&buf), "\r\n\r\n"); *p; p++)
        count += *p == 'x';
    assert_int_equal(count, 20 * sizeof(block));
    lx_buf_done(&buf);
    (void)close(fd);
}

/* A follower with nothing to read is noticed all the same. */
static void test_hangup_is_noticed(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    int fd = open_stream(server, &buf);
    for (int i = 0; i < 10; i++)
        turn(server);
    assert_int_equal(server->closed, 0);
    uint64_t start = lx_now_ms();
    (void)close(fd);
    WAIT_UNTIL(server, server->closed == 1);
    assert_true(server->closed_at - start < 10000);
    lx_buf_done(&buf);
}

static void test_reset_is_noticed(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int fd = open_stream(server, &buf);
    uint64_t start = lx_now_ms();
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    (void)close(fd);
    WAIT_UNTIL(server, server->closed == 1);
    assert_true(server->closed_at - start < 10000);
    lx_buf_done(&buf);
}

/* Writing to a client that has gone, before on_close says so, is harmless; so is ending. */
static void test_write_after_hangup(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    int fd = open_stream(server, &buf);
    struct lx_httpd_req *req = server->held;
    (void)close(fd);
    assert_int_equal(lx_httpd_stream_write(req, "x", 1, NULL), 0);
    assert_int_equal(lx_httpd_stream_write(req, "y", 1, NULL), 0);
    lx_httpd_stream_end(req);
    fd = open_stream(server, &buf);
    assert_int_equal(server->closed, 0);
    (void)close(fd);
    WAIT_UNTIL(server, server->closed == 1);
    lx_buf_done(&buf);
}

static void test_drop_cuts_stream(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    int fd = open_stream(server, &buf);
    assert_int_equal(lx_httpd_stream_write(server->held, "part", 4, NULL), 0);
    WAIT_UNTIL(server, holds(fd, &buf, "part\r\n"));
    lx_httpd_drop(server->held);
    WAIT_UNTIL(server, !take(fd, &buf));
    assert_true(lx_ends_with(lx_buf_str(&buf), "part\r\n"));
    assert_int_equal(server->closed, 0);
    lx_buf_done(&buf);
    (void)close(fd);
}

static void test_client_that_does_not_read(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    struct lx_err err = {0};
    static char block[1024 * 1024];
    int fd = open_stream(server, &buf);
    int rc = 0, blocks = 0;
    while (rc == 0 && blocks < 200) {
        rc = lx_httpd_stream_write(server->held, block, sizeof(block), &err);
        blocks++;
        turn(server);
    }
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_in_range(lx_httpd_stream_pending(server->held), 60 * sizeof(block), 64 * sizeof(block));
    (void)close(fd);
    WAIT_UNTIL(server, server->closed == 1);
    lx_buf_done(&buf);
}

/* ---- The server itself ---- */

static void test_free_closes_all(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(10000);
    int stream = open_stream(server, &buf), idle = dial(server), held = dial(server);
    struct lx_httpd_opts opts = options(server);
    server->held = NULL;
    put(held, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    put(idle, "GET /half HTTP/1.1\r\nHo");
    WAIT_UNTIL(server, server->held);
    lx_httpd_free(server->httpd);
    assert_int_equal(server->closed, 1);
    lx_buf_reset(&buf);
    WAIT_UNTIL(server, !take(held, &buf));
    WAIT_UNTIL(server, !take(idle, &buf));
    WAIT_UNTIL(server, !take(stream, &buf));
    (void)close(stream);
    (void)close(idle);
    (void)close(held);
    lx_buf_done(&buf);
    assert_int_equal(lx_httpd_new(server->loop, &opts, &server->httpd, NULL), 0);
}

static void test_garbage(void **state)
{
    struct server *server = *state;
    struct lx_buf buf = LX_BUF_INIT(100000);
    int fd = dial(server);
    put(fd, "\x16\x03\x01 not http at all\r\n\r\n\r\n");
    WAIT_UNTIL(server, !take(fd, &buf));
    assert_int_equal(server->requests, 0);
    lx_buf_done(&buf);
    (void)close(fd);
}

static void test_listen_errors(void **state)
{
    struct server *server = *state;
    struct lx_httpd *httpd;
    struct lx_httpd_opts opts = options(server);
    struct lx_err err = {0};
    opts.port = lx_httpd_port(server->httpd);
    assert_int_equal(lx_httpd_new(server->loop, &opts, &httpd, &err), -1);
    assert_int_equal(err.code, LX_E_IO);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    opts.address = "localhost";
    assert_int_equal(lx_httpd_new(server->loop, &opts, &httpd, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
    opts.address = "::";
    opts.port = 70000;
    assert_int_equal(lx_httpd_new(server->loop, &opts, &httpd, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
}

/* "::" serves IPv4 clients too. */
static void test_dual_stack(void **state)
{
    struct server *server = *state;
    struct lx_httpd_opts opts = options(server);
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        skip();
    (void)close(probe);
    lx_httpd_free(server->httpd);
    opts.address = "::";
    assert_int_equal(lx_httpd_new(server->loop, &opts, &server->httpd, NULL), 0);
    int fd = dial(server);
    lx_auto(str) char *answer = ask(server, fd, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\nok");
    assert_non_null(answer);
    (void)close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request),
        TEST(test_body_in_pieces),
        TEST(test_keep_alive),
        TEST(test_answers),
        TEST(test_body_too_large),
        TEST(test_later_answer),
        TEST(test_answer_to_nobody),
        TEST(test_drop),
        TEST(test_stream),
        TEST(test_stream_end_takes_all),
        TEST(test_hangup_is_noticed),
        TEST(test_reset_is_noticed),
        TEST(test_write_after_hangup),
        TEST(test_drop_cuts_stream),
        TEST(test_client_that_does_not_read),
        TEST(test_free_closes_all),
        TEST(test_garbage),
        TEST(test_listen_errors),
        TEST(test_dual_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
