/*
 * The HTTP server behind a connection whose other end sends anything, in pieces, and may go at any
 * time. Every request that reaches the handler is whole and within the limits; how it is answered
 * follows from its path. Input: pieces, each a length and its bytes; a length of 0 ends the sending
 * side.
 */
#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"
#include "net/httpd_priv.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BODY 512u
#define ROUNDS 6

struct server {
    struct lx_loop *loop;
    struct lx_httpd *httpd;
    struct lx_httpd_req *held[64]; /* to be answered later */
    bool streams[64];
    size_t n_held;
};

static void check_request(const struct lx_httpd_req *req)
{
    size_t len;
    const char *body = lx_httpd_body(req, &len);
    lx_assert(len <= MAX_BODY && body[len] == '\0');
    lx_assert(*lx_httpd_method(req));
    lx_assert(strlen(lx_httpd_path(req)) <= strlen(lx_httpd_raw_path(req)));
    lx_assert(!strchr(lx_httpd_raw_path(req), '?'));
    lx_assert(!strchr(lx_httpd_raw_path(req), '\n'));
    const char *header = lx_httpd_header(req, "Content-Type");
    lx_assert(!header || !strchr(header, '\n'));
    const char *declared = lx_httpd_header(req, "Content-Length");
    uint64_t length;
    if (declared && !lx_httpd_header(req, "Transfer-Encoding") &&
        lx_parse_u64(declared, &length) == 0)
        lx_assert(length == len);
    const char *value = lx_httpd_query(req, "a");
    lx_assert(!value || *lx_httpd_query_string(req));
}

static void on_close(void *arg)
{
    *(struct lx_httpd_req **)arg = NULL;
}

static void hold(struct server *server, struct lx_httpd_req *req, bool stream)
{
    size_t i = server->n_held;
    if (i == sizeof server->held / sizeof *server->held) {
        lx_httpd_drop(req);
        return;
    }
    server->held[i] = req;
    server->streams[i] = stream;
    server->n_held++;
    if (!stream)
        return;
    lx_httpd_stream_begin(req, 200, NULL, on_close, &server->held[i]);
    lx_assert(lx_httpd_stream_write(req, "first\n", 6, NULL) == 0);
}

static void on_request(void *arg, struct lx_httpd_req *req)
{
    static const char *const extra[] = {"X-One: 1", NULL};
    struct server *server = arg;
    const char *path = lx_httpd_path(req);
    size_t len;
    const char *body = lx_httpd_body(req, &len);
    check_request(req);
    switch (path[0] ? path[1] : 0) {
    case 'd':
        lx_httpd_drop(req);
        break;
    case 'h':
        hold(server, req, false);
        break;
    case 's':
        hold(server, req, true);
        break;
    case 'x':
        lx_httpd_reply_with(req, 409, extra, body, len);
        break;
    default:
        lx_httpd_reply(req, 200, "text/plain", body, len);
        break;
    }
}

static void turn(const struct server *server)
{
    for (size_t i = 0; i < ROUNDS; i++)
        (void)uv_run(lx_loop_uv(server->loop), UV_RUN_NOWAIT);
}

/* What waits is answered, or its stream goes on and ends. */
static void settle(struct server *server)
{
    for (size_t i = 0; i < server->n_held; i++) {
        struct lx_httpd_req *req = lx_take(server->held[i]);
        if (req && !server->streams[i]) {
            lx_httpd_reply(req, 200, NULL, "late", 4);
        } else if (req) {
            lx_assert(lx_httpd_stream_write(req, "last\n", 5, NULL) == 0);
            lx_httpd_stream_end(req);
        }
    }
    server->n_held = 0;
}

/* What came back is HTTP. */
static void take_answer(int fd, bool *first)
{
    char out[4096];
    for (ssize_t n; (n = recv(fd, out, sizeof out, MSG_DONTWAIT)) > 0;) {
        if (*first)
            lx_assert(n >= 5 && memcmp(out, "HTTP/", 5) == 0);
        *first = false;
    }
}

static void converse(struct server *server, const uint8_t *data, size_t size)
{
    struct sockaddr_storage nobody = {.ss_family = AF_UNIX};
    int pair[2];
    bool first = true, open = true;
    lx_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    lx_assert(MHD_add_connection(server->httpd->daemon, pair[0], (struct sockaddr *)&nobody,
                                 sizeof(sa_family_t)) == MHD_YES);
    for (size_t at = 0; at < size && open;) {
        size_t len = data[at++];
        len = len < size - at ? len : size - at;
        open = len > 0 && send(pair[1], data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
        if (len == 0)
            (void)shutdown(pair[1], SHUT_WR);
        at += len;
        turn(server);
        take_answer(pair[1], &first);
    }
    settle(server);
    turn(server);
    take_answer(pair[1], &first);
    (void)close(pair[1]);
    turn(server);
    settle(server);
    turn(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct server server = {0};
    struct lx_httpd_opts opts = {
        .address = "127.0.0.1", .max_body = MAX_BODY, .on_request = on_request, .arg = &server};
    lx_assert(lx_loop_new(&server.loop, NULL) == 0);
    lx_assert(lx_httpd_new(server.loop, &opts, &server.httpd, NULL) == 0);
    converse(&server, data, size);
    lx_httpd_free(server.httpd);
    lx_loop_free(server.loop);
    return 0;
}
