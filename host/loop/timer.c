#include "lunexec/loop.h"

#include "loop/priv.h"
#include "lunexec/mem.h"

struct lx_timer {
    uv_timer_t uv;
    void (*fn)(void *arg);
    void *arg;
};

static void fire(uv_timer_t *uv)
{
    struct lx_timer *timer = uv->data;
    timer->fn(timer->arg);
}

struct lx_timer *lx_timer_new(struct lx_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct lx_timer *timer = lx_alloc(sizeof *timer);
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    timer->fn = fn;
    timer->arg = arg;
    return timer;
}

void lx_timer_start(struct lx_timer *timer, uint64_t delay_ms, uint64_t repeat_ms)
{
    /* libuv counts from the time of the loop's last round, which may be long ago. */
    uv_update_time(timer->uv.loop);
    uv_timer_start(&timer->uv, fire, delay_ms, repeat_ms);
}

void lx_timer_stop(struct lx_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

bool lx_timer_active(const struct lx_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void lx_timer_free(struct lx_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, closed);
}
