#include "net_peer.h"

#include "lunexec/err.h"
#include "lunexec/mem.h"
#include "lunexec/parse.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *run(void *arg)
{
    struct peer *peer = arg;
    for (;;) {
        int fd = accept(peer->listen_fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        atomic_fetch_add(&peer->accepted, 1);
        peer->serve(peer, fd);
        (void)close(fd);
        atomic_fetch_add(&peer->closed, 1);
    }
}

void peer_start(struct peer *peer, void (*serve)(struct peer *peer, int fd))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    memset(peer, 0, sizeof(*peer));
    peer->serve = serve;
    lx_assert(sem_init(&peer->go, 0, 0) == 0);
    peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    lx_assert(bind(peer->listen_fd, (struct sockaddr *)&address, len) == 0);
    lx_assert(listen(peer->listen_fd, 64) == 0);
    lx_assert(getsockname(peer->listen_fd, (struct sockaddr *)&address, &len) == 0);
    peer->port = ntohs(address.sin_port);
    lx_assert(pthread_create(&peer->thread, NULL, run, peer) == 0);
}

void peer_stop(struct peer *peer)
{
    (void)shutdown(peer->listen_fd, SHUT_RDWR);
    lx_assert(pthread_join(peer->thread, NULL) == 0);
    (void)close(peer->listen_fd);
    (void)sem_destroy(&peer->go);
}

char *peer_url(const struct peer *peer, const char *path)
{
    return lx_strf("http://127.0.0.1:%u%s", peer->port, path);
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length: ");
    if (!at)
        return 0;
    at += strlen("\r\nContent-Length: ");
    lx_auto(str) char *digits = lx_strndup(at, strcspn(at, "\r"));
    uint64_t value = 0;
    return lx_parse_u64(digits, &value) ? 0 : (size_t)value;
}

bool peer_read(struct peer *peer, int fd)
{
    static _Thread_local char text[sizeof(peer->last)];
    size_t len = 0;
    memset(text, 0, sizeof(text));
    for (;;) {
        const char *end = strstr(text, "\r\n\r\n");
        if (end && len >= (size_t)(end - text) + 4 + content_length(text)) {
            memcpy(peer->last, text, sizeof(text));
            atomic_fetch_add(&peer->requests, 1);
            return true;
        }
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
    }
}

void peer_send(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent < 0)
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

void peer_wait_close(int fd)
{
    char buffer[4096];
    while (recv(fd, buffer, sizeof(buffer), 0) > 0)
        ;
}

void peer_wait_go(struct peer *peer)
{
    while (sem_wait(&peer->go))
        ;
}

void peer_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void peer_get_once(struct fixture *fixture, void (*serve)(struct peer *, int),
                   struct answer *answer)
{
    struct peer peer;
    peer_start(&peer, serve);
    lx_auto(str) char *url = peer_url(&peer, "/x");
    struct lx_http_req req = {.url = url, .timeout_ms = 10000};
    answer_init(answer);
    call_wait(fixture, &req, answer);
    peer_stop(&peer);
}

void peer_new_client(struct fixture *fixture, const struct lx_http_opts *opts)
{
    lx_http_free(fixture->http);
    assert_int_equal(lx_http_new(fixture->loop, opts, &fixture->http, NULL), 0);
}

void peer_drop_connections(struct fixture *fixture)
{
    struct lx_http_opts opts = {0};
    peer_new_client(fixture, &opts);
}
