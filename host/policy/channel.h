/*
 * The executor's end of the socket to a policy child: whole frames, both ways, on the loop.
 */
#ifndef LX_POLICY_CHANNEL_H
#define LX_POLICY_CHANNEL_H

#include "lunexec/err.h"
#include "lunexec/loop.h"

#include <stddef.h>

struct lx_channel;

struct lx_channel_opts {
    /* A whole frame; the bytes are valid in the callback. Directly from the loop. */
    void (*on_frame)(void *arg, const char *data, size_t len);
    /* The other end is closed, or nothing sensible comes from it any more; called once. */
    void (*on_end)(void *arg, const struct lx_err *err);
    void *arg;
};

/* Makes a connected pair: the channel, and *ret_fd for the child, which the caller closes. */
int lx_channel_new(struct lx_loop *loop, const struct lx_channel_opts *opts, int *ret_fd,
                   struct lx_channel **ret_channel, struct lx_err *err);
/* Not from its own callbacks. */
void lx_channel_free(struct lx_channel *channel);

/* Takes in what has arrived and was not yet seen, because the loop was held up; whether a frame
 * was among it. Not from its own callbacks. */
bool lx_channel_pump(struct lx_channel *channel);

/* Sends a sealed frame (copied). One at a time: the last must have been answered. A connection
 * that breaks is reported by on_end. */
int lx_channel_send(struct lx_channel *channel, const char *data, size_t len, struct lx_err *err);

#endif
