#include "lunexec/loop.h"

#include "loop/priv.h"
#include "lunexec/mem.h"

struct lx_signal {
    uv_signal_t uv;
    void (*fn)(void *arg, int signum);
    void *arg;
};

static void fire(uv_signal_t *uv, int signum)
{
    struct lx_signal *signal = uv->data;
    signal->fn(signal->arg, signum);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

int lx_signal_new(struct lx_loop *loop, int signum, void (*fn)(void *arg, int signum), void *arg,
                  struct lx_signal **ret_signal, struct lx_err *err)
{
    struct lx_signal *signal = lx_alloc(sizeof *signal);
    uv_signal_init(&loop->uv, &signal->uv);
    signal->uv.data = signal;
    signal->fn = fn;
    signal->arg = arg;
    int rc = uv_signal_start(&signal->uv, fire, signum);
    if (rc < 0) {
        lx_signal_free(signal);
        return lx_fail(err, LX_E_IO, "cannot handle signal %d: %s", signum, uv_strerror(rc));
    }
    /* Waiting for a signal keeps no program alive. */
    uv_unref((uv_handle_t *)&signal->uv);
    *ret_signal = signal;
    return 0;
}

void lx_signal_free(struct lx_signal *signal)
{
    if (signal)
        uv_close((uv_handle_t *)&signal->uv, closed);
}
