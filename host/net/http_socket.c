/*
 * libcurl's multi-socket interface on libuv. curl says which sockets and which deadline it waits
 * for; it is entered again only from the loop, never from within one of its own callbacks.
 */
#include "net/http_priv.h"

#include "lunexec/mem.h"

#include <uv.h>

struct sock {
    uv_poll_t poll;
    struct lx_http *http;
    curl_socket_t fd;
    int events;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Takes the descriptor out of the loop at once (curl is about to close it); the memory goes when
 * the loop is done with the handle. */
static void sock_close(struct sock *sock)
{
    (void)uv_poll_stop(&sock->poll);
    uv_close((uv_handle_t *)&sock->poll, on_closed);
}

/* Rounding can make our timer fire before curl considers its deadline reached, and curl does not
 * name an unchanged deadline twice: ask. */
static void keep_deadline(struct lx_http *http)
{
    long ms = -1;
    if (lx_timer_active(http->timer))
        return;
    if (curl_multi_timeout(http->multi, &ms) == CURLM_OK && ms >= 0)
        lx_timer_start(http->timer, ms > 0 ? (uint64_t)ms : 1, 0);
}

static void action(struct lx_http *http, curl_socket_t fd, int flags)
{
    int running = 0;
    http->inside++;
    (void)curl_multi_socket_action(http->multi, fd, flags, &running);
    http->inside--;
    keep_deadline(http);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct sock *sock = poll->data;
    struct lx_http *http = sock->http;
    int flags = 0;
    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    action(http, sock->fd, flags);
    /* libuv stops a poll that reported an error; curl may still want the socket. */
    if (status < 0 && !uv_is_closing((uv_handle_t *)poll))
        (void)uv_poll_start(poll, sock->events, on_ready);
    lx_http_drain(http);
}

static struct sock *sock_new(struct lx_http *http, curl_socket_t fd)
{
    struct sock *sock = lx_alloc(sizeof(*sock));
    sock->http = http;
    sock->fd = fd;
    if (uv_poll_init_socket(lx_loop_uv(http->loop), &sock->poll, fd)) {
        free(sock);
        return NULL;
    }
    sock->poll.data = sock;
    (void)curl_multi_assign(http->multi, fd, sock);
    return sock;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct lx_http *http = arg;
    struct sock *sock = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)curl_multi_assign(http->multi, fd, NULL);
        if (sock)
            sock_close(sock);
        return 0;
    }
    if (!sock)
        sock = sock_new(http, fd);
    if (!sock)
        return 0; /* a failure here would end every call of the client; this one times out */
    sock->events =
        (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    (void)uv_poll_start(&sock->poll, sock->events, on_ready);
    return 0;
}

/* Only notes the deadline: curl may be on the stack. */
static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct lx_http *http = arg;
    (void)multi;
    if (timeout_ms < 0)
        lx_timer_stop(http->timer);
    else
        lx_timer_start(http->timer, (uint64_t)timeout_ms, 0);
    return 0;
}

void lx_http_on_deadline(void *arg)
{
    struct lx_http *http = arg;
    action(http, CURL_SOCKET_TIMEOUT, 0);
    lx_http_drain(http);
}

int lx_http_socket_setup(struct lx_http *http, struct lx_err *err)
{
    if (curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
        curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) ||
        curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer) ||
        curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http))
        return lx_fail(err, LX_E_IO, "libcurl refuses an option of the client");
    return 0;
}

void lx_http_drain(struct lx_http *http)
{
    CURLMsg *msg;
    int left = 0;
    while ((msg = curl_multi_info_read(http->multi, &left))) {
        char *call = NULL;
        CURLcode code = msg->data.result;
        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK)
            lx_http_finish((struct lx_http_call *)(void *)call, code);
    }
}
