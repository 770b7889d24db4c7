#include "channel.h"

#include "frame.h"
#include "lunexec/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define READ_SIZE ((size_t)32 << 10)
/* A buffer larger than this is given back after the frame. */
#define BUFFER_KEEP ((size_t)256 << 10)

struct lx_channel {
    uv_poll_t poll; /* first: freed as the handle that it is when libuv has closed it */
    int fd;
    bool ended, delivered;
    struct lx_buf in, out;
    struct lx_channel_opts opts;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct lx_channel *channel)
{
    int events = UV_READABLE | (channel->out.len ? UV_WRITABLE : 0);
    uv_poll_start(&channel->poll, events, on_poll);
}

static void end(struct lx_channel *channel, const struct lx_err *err)
{
    if (channel->ended)
        return;
    channel->ended = true;
    uv_poll_stop(&channel->poll);
    channel->opts.on_end(channel->opts.arg, err);
}

static void settle(struct lx_buf *buf)
{
    if (buf->len == 0 && buf->cap > BUFFER_KEEP)
        lx_buf_done(buf);
}

/* Writes what the socket takes. */
static int flush(struct lx_channel *channel, struct lx_err *err)
{
    while (channel->out.len) {
        ssize_t n = send(channel->fd, channel->out.data, channel->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR)
            return lx_fail_errno(err, errno, "policy child");
        lx_buf_consume(&channel->out, n > 0 ? (size_t)n : 0);
    }
    settle(&channel->out);
    return 0;
}

/* Hands out the frames that are complete. */
static int deliver(struct lx_channel *channel, size_t *ret_missing, struct lx_err *err)
{
    const char *data = NULL;
    size_t len = 0;
    for (;;) {
        int rc = lx_frame_peek(&channel->in, &data, &len, ret_missing, err);
        if (rc != 1)
            return rc;
        channel->delivered = true;
        channel->opts.on_frame(channel->opts.arg, data, len);
        lx_buf_consume(&channel->in, LX_FRAME_HEAD + len);
        settle(&channel->in);
    }
}

static int receive(struct lx_channel *channel, struct lx_err *err)
{
    size_t missing = 0;
    if (deliver(channel, &missing, err))
        return -1;
    for (;;) {
        size_t want = channel->in.len < LX_FRAME_HEAD || missing < READ_SIZE ? READ_SIZE : missing;
        size_t room = channel->in.max - channel->in.len;
        want = want < room ? want : room;
        char *to = lx_buf_reserve(&channel->in, want, err);
        if (!to)
            return -1;
        ssize_t n = recv(channel->fd, to, want, 0);
        if (n == 0)
            return lx_fail(err, LX_E_IO, "policy child closed its socket");
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR)
            return lx_fail_errno(err, errno, "policy child");
        channel->in.len += n > 0 ? (size_t)n : 0;
        if (deliver(channel, &missing, err))
            return -1;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct lx_channel *channel = lx_container_of(poll, struct lx_channel, poll);
    struct lx_err err;
    if (status < 0) {
        lx_fail(&err, LX_E_IO, "policy child: %s", uv_strerror(status));
        end(channel, &err);
        return;
    }
    bool writing = channel->out.len > 0;
    if (((events & UV_WRITABLE) && flush(channel, &err)) ||
        ((events & UV_READABLE) && receive(channel, &err)))
        end(channel, &err);
    else if (writing && channel->out.len == 0)
        watch(channel);
}

bool lx_channel_pump(struct lx_channel *channel)
{
    struct lx_err err;
    channel->delivered = false;
    if (!channel->ended && receive(channel, &err))
        end(channel, &err);
    return channel->delivered;
}

int lx_channel_new(struct lx_loop *loop, const struct lx_channel_opts *opts, int *ret_fd,
                   struct lx_channel **ret_channel, struct lx_err *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return lx_fail_errno(err, errno, "socketpair");
    struct lx_channel *channel = lx_alloc(sizeof *channel);
    channel->fd = fds[0];
    channel->opts = *opts;
    lx_buf_init(&channel->in, LX_FRAME_HEAD + LX_FRAME_MAX);
    lx_buf_init(&channel->out, LX_FRAME_HEAD + LX_FRAME_MAX);
    int rc = uv_poll_init(lx_loop_uv(loop), &channel->poll, fds[0]); /* makes it non-blocking */
    if (rc) {
        close(fds[0]);
        close(fds[1]);
        free(channel);
        return lx_fail(err, LX_E_IO, "uv_poll_init: %s", uv_strerror(rc));
    }
    watch(channel);
    *ret_fd = fds[1];
    *ret_channel = channel;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void lx_channel_free(struct lx_channel *channel)
{
    if (!channel)
        return;
    lx_buf_done(&channel->in);
    lx_buf_done(&channel->out);
    uv_close((uv_handle_t *)&channel->poll, on_closed); /* stops it, so that the socket may go */
    close(channel->fd);
}

int lx_channel_send(struct lx_channel *channel, const char *data, size_t len, struct lx_err *err)
{
    lx_assert(channel->out.len == 0);
    if (lx_buf_add(&channel->out, data, len, err))
        return -1;
    struct lx_err broken;
    if (channel->ended)
        return 0;
    if (flush(channel, &broken))
        return 0; /* the read side reports the same, and only once */
    if (channel->out.len)
        watch(channel);
    return 0;
}
