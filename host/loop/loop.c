#include "lunexec/loop.h"

#include "loop/priv.h"
#include "lunexec/mem.h"

#include <signal.h>

/* The longest wait at the end for what is being closed, a killed child in the kernel above all. */
#define CLOSING_MS 5000

/* Runs what was posted before this round; what these post waits for the next. */
static void run_tasks(uv_idle_t *idle)
{
    struct lx_loop *loop = idle->data;
    struct lx_list round;
    lx_list_init(&round);
    for (struct lx_list *item; (item = lx_list_shift(&loop->tasks));)
        lx_list_push(&round, item);
    for (struct lx_list *item; (item = lx_list_shift(&round));) {
        struct lx_task *task = lx_container_of(item, struct lx_task, link);
        task->fn(task->arg);
    }
    if (lx_list_empty(&loop->tasks))
        uv_idle_stop(&loop->idle);
}

int lx_loop_new(struct lx_loop **ret_loop, struct lx_err *err)
{
    struct lx_loop *loop = lx_alloc(sizeof *loop);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    int rc = uv_loop_init(&loop->uv);
    if (rc < 0) {
        free(loop);
        return lx_fail(err, LX_E_IO, "cannot make an event loop: %s", uv_strerror(rc));
    }
    lx_list_init(&loop->tasks);
    uv_idle_init(&loop->uv, &loop->idle);
    loop->idle.data = loop;
    uv_prepare_init(&loop->uv, &loop->goal);
    *ret_loop = loop;
    return 0;
}

static void on_closing_limit(uv_timer_t *limit)
{
    uv_stop(limit->loop);
}

void lx_loop_free(struct lx_loop *loop)
{
    if (!loop)
        return;
    while (lx_list_shift(&loop->tasks))
        continue;
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->goal, NULL);
    uv_timer_t limit;
    uv_timer_init(&loop->uv, &limit);
    uv_update_time(&loop->uv);
    uv_timer_start(&limit, on_closing_limit, CLOSING_MS, 0);
    uv_unref((uv_handle_t *)&limit);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&limit, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    /* What is still open then stays as it is: the process is about to end, and must. */
    if (uv_loop_close(&loop->uv) == 0)
        free(loop);
}

void lx_loop_run(struct lx_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void lx_loop_stop(struct lx_loop *loop)
{
    uv_stop(&loop->uv);
}

struct goal {
    const bool *flag;
    bool timed_out;
};

static bool is_reached(const struct goal *goal)
{
    return *goal->flag || goal->timed_out;
}

static void on_limit(void *arg)
{
    ((struct goal *)arg)->timed_out = true;
}

/* A round waits for what happens outside after its timers and tasks, which may have been all that
 * was to come: libuv's UV_RUN_ONCE would wait all the same. */
static void before_wait(uv_prepare_t *prepare)
{
    if (is_reached(prepare->data))
        uv_stop(prepare->loop);
}

int lx_loop_run_until(struct lx_loop *loop, const bool *flag, uint64_t timeout_ms,
                      struct lx_err *err)
{
    struct goal goal = {.flag = flag};
    struct lx_timer *timer = lx_timer_new(loop, on_limit, &goal);
    lx_timer_start(timer, timeout_ms, 0);
    loop->goal.data = &goal;
    uv_prepare_start(&loop->goal, before_wait);
    while (!is_reached(&goal))
        uv_run(&loop->uv, UV_RUN_ONCE);
    uv_prepare_stop(&loop->goal);
    lx_timer_free(timer);
    return *flag ? 0
                 : lx_fail(err, LX_E_TIMEOUT, "nothing happened within %llu ms",
                           (unsigned long long)timeout_ms);
}

struct uv_loop_s *lx_loop_uv(struct lx_loop *loop)
{
    return &loop->uv;
}

void lx_task_init(struct lx_task *task, void (*fn)(void *arg), void *arg)
{
    lx_list_init(&task->link);
    task->fn = fn;
    task->arg = arg;
}

void lx_task_post(struct lx_loop *loop, struct lx_task *task)
{
    if (!lx_list_empty(&task->link))
        return;
    lx_list_push(&loop->tasks, &task->link);
    uv_idle_start(&loop->idle, run_tasks);
}

void lx_task_cancel(struct lx_task *task)
{
    lx_list_remove(&task->link);
}
