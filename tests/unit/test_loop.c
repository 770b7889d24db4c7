#include "lunexec/clock.h"
#include "lunexec/loop.h"
#include "lunexec/mem.h"

#include "unit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

struct world {
    struct lx_loop *loop;
    char trace[64];
    size_t len;
    struct lx_task tasks[4];
    struct lx_timer *timer;
    bool done;
    unsigned count;
};

static void note(struct world *w, char c)
{
    assert_true(w->len + 1 < sizeof(w->trace));
    w->trace[w->len++] = c;
}

static int setup(void **state)
{
    struct world *w = lx_alloc(sizeof(*w));
    assert_int_equal(lx_loop_new(&w->loop, NULL), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    lx_loop_free(w->loop);
    free(w);
    return 0;
}

static void task_a(void *arg)
{
    note(arg, 'a');
}

static void task_b(void *arg)
{
    note(arg, 'b');
}

static void task_c(void *arg)
{
    note(arg, 'c');
}

static void tasks_run_in_order_of_posting_and_once(void **state)
{
    struct world *w = *state;
    lx_task_init(&w->tasks[0], task_a, w);
    lx_task_init(&w->tasks[1], task_b, w);
    lx_task_init(&w->tasks[2], task_c, w);
    lx_task_post(w->loop, &w->tasks[1]);
    lx_task_post(w->loop, &w->tasks[0]);
    lx_task_post(w->loop, &w->tasks[2]);
    lx_task_post(w->loop, &w->tasks[1]);
    assert_string_equal(w->trace, "");
    lx_loop_run(w->loop);
    assert_string_equal(w->trace, "bac");
    lx_task_post(w->loop, &w->tasks[2]);
    lx_loop_run(w->loop);
    assert_string_equal(w->trace, "bacc");
}

static void task_posts_first(void *arg)
{
    struct world *w = arg;
    note(w, 'p');
    lx_task_post(w->loop, &w->tasks[0]);
}

static void a_task_posted_by_a_task_runs_in_the_next_round(void **state)
{
    struct world *w = *state;
    lx_task_init(&w->tasks[0], task_a, w);
    lx_task_init(&w->tasks[1], task_posts_first, w);
    lx_task_init(&w->tasks[2], task_c, w);
    lx_task_post(w->loop, &w->tasks[1]);
    lx_task_post(w->loop, &w->tasks[2]);
    lx_loop_run(w->loop);
    assert_string_equal(w->trace, "pca");
}

static void task_reposts_itself(void *arg)
{
    struct world *w = arg;
    w->count++;
    if (!w->done)
        lx_task_post(w->loop, &w->tasks[0]);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct world *w = poll->data;
    (void)events;
    assert_int_equal(status, 0);
    w->done = true;
    uv_poll_stop(poll);
}

static void a_task_that_posts_itself_does_not_starve_input(void **state)
{
    struct world *w = *state;
    int fds[2];
    uv_poll_t poll;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    uv_poll_init(lx_loop_uv(w->loop), &poll, fds[0]);
    poll.data = w;
    uv_poll_start(&poll, UV_READABLE, on_readable);
    lx_task_init(&w->tasks[0], task_reposts_itself, w);
    lx_task_post(w->loop, &w->tasks[0]);
    assert_int_equal(lx_loop_run_until(w->loop, &w->done, 5000, NULL), 0);
    lx_task_cancel(&w->tasks[0]);
    uv_close((uv_handle_t *)&poll, NULL);
    lx_loop_run(w->loop);
    close(fds[0]);
    close(fds[1]);
}

static void task_cancels_third(void *arg)
{
    struct world *w = arg;
    note(w, 'x');
    lx_task_cancel(&w->tasks[2]);
}

static void a_cancelled_task_does_not_run(void **state)
{
    struct world *w = *state;
    lx_task_init(&w->tasks[0], task_a, w);
    lx_task_init(&w->tasks[1], task_cancels_third, w);
    lx_task_init(&w->tasks[2], task_c, w);
    lx_task_cancel(&w->tasks[0]);
    lx_task_post(w->loop, &w->tasks[0]);
    lx_task_post(w->loop, &w->tasks[1]);
    lx_task_post(w->loop, &w->tasks[2]);
    lx_task_cancel(&w->tasks[0]);
    lx_loop_run(w->loop);
    assert_string_equal(w->trace, "x");
}

static void a_task_left_when_the_loop_ends_can_still_be_cancelled(void **state)
{
    (void)state;
    struct world w = {0};
    assert_int_equal(lx_loop_new(&w.loop, NULL), 0);
    lx_task_init(&w.tasks[0], task_a, &w);
    lx_task_post(w.loop, &w.tasks[0]);
    lx_loop_free(w.loop);
    lx_task_cancel(&w.tasks[0]);
    assert_string_equal(w.trace, "");
}

static void count_round(uv_prepare_t *prepare)
{
    ((struct world *)prepare->data)->count++;
}

static void set_done(void *arg)
{
    ((struct world *)arg)->done = true;
}

static void an_idle_loop_sleeps(void **state)
{
    struct world *w = *state;
    uv_prepare_t prepare;
    uv_prepare_init(lx_loop_uv(w->loop), &prepare);
    prepare.data = w;
    lx_task_init(&w->tasks[0], task_a, w);
    lx_task_post(w->loop, &w->tasks[0]);
    struct lx_timer *timer = lx_timer_new(w->loop, set_done, w);
    lx_timer_start(timer, 150, 0);
    uv_prepare_start(&prepare, count_round);
    assert_int_equal(lx_loop_run_until(w->loop, &w->done, 5000, NULL), 0);
    assert_string_equal(w->trace, "a");
    assert_in_range(w->count, 1, 6);
    uv_close((uv_handle_t *)&prepare, NULL);
    lx_timer_free(timer);
    lx_loop_run(w->loop);
}

static void timer_frees_itself(void *arg)
{
    struct world *w = arg;
    note(w, 't');
    lx_timer_free(w->timer);
    w->timer = NULL;
}

static void task_is_all(void *arg)
{
    ((struct world *)arg)->done = true;
}

/* With a handle that nothing comes from, and a timer that ends a wait that should not be. */
static void what_timers_and_tasks_did_is_not_waited_for(void **state)
{
    struct world *w = *state;
    static const bool never;
    int fds[2];
    uv_poll_t poll;
    assert_int_equal(pipe(fds), 0);
    uv_poll_init(lx_loop_uv(w->loop), &poll, fds[0]);
    uv_poll_start(&poll, UV_READABLE, on_readable);
    struct lx_timer *late = lx_timer_new(w->loop, timer_frees_itself, w);
    w->timer = late;
    lx_timer_start(late, 10000, 0);
    uint64_t begin = lx_now_ms();
    assert_int_equal(lx_loop_run_until(w->loop, &never, 0, NULL), -1);
    lx_task_init(&w->tasks[0], task_is_all, w);
    lx_task_post(w->loop, &w->tasks[0]);
    assert_int_equal(lx_loop_run_until(w->loop, &w->done, 20000, NULL), 0);
    assert_in_range(lx_now_ms() - begin, 0, 9000);
    assert_string_equal(w->trace, "");
    lx_timer_free(late);
    uv_close((uv_handle_t *)&poll, NULL);
    lx_loop_run(w->loop);
    close(fds[0]);
    close(fds[1]);
}

static void a_timer_may_free_itself(void **state)
{
    struct world *w = *state;
    w->timer = lx_timer_new(w->loop, timer_frees_itself, w);
    lx_timer_start(w->timer, 1, 1);
    lx_loop_run(w->loop);
    assert_string_equal(w->trace, "t");
    assert_null(w->timer);
}

static void timer_ticks(void *arg)
{
    struct world *w = arg;
    note(w, 't');
    if (w->len == 3)
        lx_timer_stop(w->timer);
}

static void a_timer_repeats_until_it_is_stopped(void **state)
{
    struct world *w = *state;
    w->timer = lx_timer_new(w->loop, timer_ticks, w);
    assert_false(lx_timer_active(w->timer));
    lx_timer_start(w->timer, 0, 1);
    assert_true(lx_timer_active(w->timer));
    lx_loop_run(w->loop);
    assert_string_equal(w->trace, "ttt");
    assert_false(lx_timer_active(w->timer));
    lx_timer_free(w->timer);
    lx_timer_free(NULL);
}

static void restarting_a_timer_replaces_its_delay(void **state)
{
    struct world *w = *state;
    struct lx_timer *timer = lx_timer_new(w->loop, set_done, w);
    uint64_t before = lx_now_ms();
    lx_timer_start(timer, 60000, 0);
    lx_timer_start(timer, 20, 0);
    lx_loop_run(w->loop);
    assert_true(w->done);
    assert_in_range(lx_now_ms() - before, 19, 30000);
    lx_timer_free(timer);
}

static void a_delay_counts_from_the_call_not_from_the_last_round(void **state)
{
    struct world *w = *state;
    struct lx_timer *timer = lx_timer_new(w->loop, set_done, w);
    uint64_t busy = lx_now_ms() + 50;
    while (lx_now_ms() < busy)
        continue;
    uint64_t before = lx_now_ms();
    lx_timer_start(timer, 40, 0);
    lx_loop_run(w->loop);
    assert_in_range(lx_now_ms() - before, 39, 30000);
    lx_timer_free(timer);
}

static void running_until_a_flag_has_a_limit(void **state)
{
    struct world *w = *state;
    struct lx_err err = {0};
    assert_int_equal(lx_loop_run_until(w->loop, &w->done, 10, &err), -1);
    assert_int_equal(err.code, LX_E_TIMEOUT);
    w->done = true;
    assert_int_equal(lx_loop_run_until(w->loop, &w->done, 10, &err), 0);
}

static void stop_loop(void *arg)
{
    struct world *w = arg;
    lx_loop_stop(w->loop);
}

static void stopping_ends_a_run_that_something_keeps_alive(void **state)
{
    struct world *w = *state;
    struct lx_timer *far = lx_timer_new(w->loop, set_done, w);
    lx_timer_start(far, 60000, 0);
    lx_task_init(&w->tasks[0], stop_loop, w);
    lx_task_post(w->loop, &w->tasks[0]);
    lx_loop_run(w->loop);
    assert_false(w->done);
    lx_timer_free(far);
}

static void on_signal(void *arg, int signum)
{
    struct world *w = arg;
    w->count = (unsigned)signum;
    w->done = true;
}

static void a_signal_is_delivered_from_the_loop(void **state)
{
    struct world *w = *state;
    struct lx_signal *sig = NULL;
    assert_int_equal(lx_signal_new(w->loop, SIGUSR1, on_signal, w, &sig, NULL), 0);
    lx_loop_run(w->loop); /* a signal keeps no loop alive */
    assert_false(w->done);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_false(w->done);
    assert_int_equal(lx_loop_run_until(w->loop, &w->done, 5000, NULL), 0);
    assert_int_equal(w->count, SIGUSR1);
    lx_signal_free(sig);
    lx_signal_free(NULL);
}

static void a_signal_that_cannot_be_caught_is_an_error(void **state)
{
    struct world *w = *state;
    struct lx_signal *sig = NULL;
    struct lx_err err = {0};
    assert_int_equal(lx_signal_new(w->loop, SIGKILL, on_signal, w, &sig, &err), -1);
    assert_int_equal(err.code, LX_E_IO);
    assert_null(sig);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tasks_run_in_order_of_posting_and_once),
        TEST(a_task_posted_by_a_task_runs_in_the_next_round),
        TEST(a_task_that_posts_itself_does_not_starve_input),
        TEST(a_cancelled_task_does_not_run),
        cmocka_unit_test(a_task_left_when_the_loop_ends_can_still_be_cancelled),
        TEST(an_idle_loop_sleeps),
        TEST(a_timer_may_free_itself),
        TEST(what_timers_and_tasks_did_is_not_waited_for),
        TEST(a_timer_repeats_until_it_is_stopped),
        TEST(restarting_a_timer_replaces_its_delay),
        TEST(a_delay_counts_from_the_call_not_from_the_last_round),
        TEST(running_until_a_flag_has_a_limit),
        TEST(stopping_ends_a_run_that_something_keeps_alive),
        TEST(a_signal_is_delivered_from_the_loop),
        TEST(a_signal_that_cannot_be_caught_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
