/* How children end: signals, groups, pipes that outlive them, and handles freed at odd moments. */
#include "child_fixture.h"

#include "lunexec/clock.h"
#include "lunexec/parse.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static bool gone(pid_t pid)
{
    /* An orphan's zombie is reaped by whoever adopted it; a zombie counts as gone. */
    lx_auto(str) char *path = lx_strf("/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return true;
    char line[256] = "";
    size_t got = fread(line, 1, sizeof(line) - 1, file);
    fclose(file);
    const char *after = got ? strrchr(line, ')') : NULL;
    return !after || after[2] == 'Z';
}

struct watch {
    pid_t pid;
    bool gone;
};

static void look(void *arg)
{
    struct watch *watch = arg;
    watch->gone = gone(watch->pid);
}

static void wait_gone(struct lx_loop *loop, pid_t pid)
{
    struct watch watch = {.pid = pid};
    struct lx_timer *timer = lx_timer_new(loop, look, &watch);
    lx_timer_start(timer, 0, 5);
    assert_int_equal(lx_loop_run_until(loop, &watch.gone, 20000, NULL), 0);
    lx_timer_free(timer);
}

/* The number the child printed. */
static pid_t printed_pid(struct proc *p)
{
    uint64_t pid;
    proc_wait_output(p);
    lx_auto(str) char *text = lx_strndup(p->out.data, p->out.len - 1);
    assert_int_equal(lx_parse_u64(text, &pid), 0);
    return (pid_t)pid;
}

static void a_signal_ends_the_child(void **state)
{
    struct proc *p = *state;
    proc_start(p, "echo up; exec sleep 60", (struct lx_child_opts){0});
    proc_wait_output(p);
    lx_child_kill(p->child, SIGTERM);
    proc_wait(p);
    assert_int_equal(p->signal, SIGTERM);
    lx_child_kill(p->child, SIGTERM);
}

static void killing_a_group_reaches_the_grandchild(void **state)
{
    struct proc *p = *state;
    proc_start(p, "sleep 60 & echo $!; wait", (struct lx_child_opts){.new_group = true});
    pid_t grandchild = printed_pid(p);
    assert_false(gone(grandchild));
    lx_child_kill(p->child, SIGKILL);
    proc_wait(p);
    assert_int_equal(p->signal, SIGKILL);
    wait_gone(p->loop, grandchild);
}

static void the_exit_waits_for_both_pipes(void **state)
{
    struct proc *p = *state;
    proc_start(p, "(sleep 0.3; echo late) & exit 4", (struct lx_child_opts){0});
    proc_wait(p);
    assert_string_equal(lx_buf_str(&p->out), "late\n");
    assert_int_equal(p->status, 4);
}

static void closed_pipes_do_not_end_a_running_child(void **state)
{
    struct proc *p = *state;
    uint64_t before = lx_now_ms();
    proc_start(p, "exec >&- 2>&-; sleep 0.2; exit 5", (struct lx_child_opts){0});
    proc_wait(p);
    assert_int_equal(p->status, 5);
    assert_true(lx_now_ms() - before >= 190);
}

static void a_pipe_kept_open_delays_the_exit_two_seconds(void **state)
{
    struct proc *p = *state;
    uint64_t before = lx_now_ms();
    proc_start(p, "sleep 60 & echo $!; exit 0", (struct lx_child_opts){.new_group = true});
    pid_t grandchild = printed_pid(p);
    proc_wait(p);
    assert_in_range(lx_now_ms() - before, 1900, 20000);
    assert_int_equal(p->status, 0);
    assert_int_equal(p->exits, 1);
    assert_int_equal(kill(grandchild, SIGKILL), 0);
}

static void the_group_can_be_killed_after_its_leader_ended(void **state)
{
    struct proc *p = *state;
    proc_start(p, "sleep 60 & echo $!; exit 0", (struct lx_child_opts){.new_group = true});
    pid_t grandchild = printed_pid(p);
    wait_gone(p->loop, lx_child_pid(p->child));
    lx_child_kill(p->child, SIGKILL);
    proc_wait(p);
    assert_int_equal(p->status, 0);
    wait_gone(p->loop, grandchild);
}

static void freeing_a_running_child_kills_and_reaps_it_silently(void **state)
{
    struct proc *p = *state;
    proc_start(p, "echo up; exec sleep 60", (struct lx_child_opts){0});
    proc_wait_output(p);
    pid_t pid = lx_child_pid(p->child);
    lx_child_free(p->child);
    p->child = NULL;
    lx_loop_run(p->loop);
    assert_int_equal(p->exits, 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void freeing_a_child_with_a_group_kills_the_group(void **state)
{
    struct proc *p = *state;
    proc_start(p, "sleep 60 & echo $!; wait", (struct lx_child_opts){.new_group = true});
    pid_t grandchild = printed_pid(p);
    lx_child_free(p->child);
    p->child = NULL;
    wait_gone(p->loop, grandchild);
    assert_int_equal(p->exits, 0);
}

static void a_child_still_running_does_not_hold_up_the_end_of_the_loop(void **state)
{
    struct proc *p = *state;
    uint64_t before = lx_now_ms();
    size_t len = 1u << 20;
    lx_auto(str) char *input = lx_alloc(len);
    proc_start(p, "exec sleep 60", (struct lx_child_opts){.in = input, .in_len = len});
    lx_child_free(p->child);
    p->child = NULL;
    lx_loop_free(p->loop);
    assert_true(lx_now_ms() - before < 20000);
    assert_int_equal(p->exits, 0);
    assert_int_equal(lx_loop_new(&p->loop, NULL), 0);
}

static void the_handle_may_be_freed_in_its_exit(void **state)
{
    struct proc *p = *state;
    p->free_in_exit = true;
    proc_start(p, "exit 3", (struct lx_child_opts){0});
    proc_wait(p);
    lx_loop_run(p->loop);
    assert_int_equal(p->exits, 1);
    assert_int_equal(p->status, 3);
}

static void free_on_output(void *arg, const char *data, size_t len)
{
    struct proc *p = arg;
    (void)data;
    (void)len;
    lx_child_free(p->child);
    p->child = NULL;
    p->spoke = true;
}

static void the_handle_may_be_freed_while_output_comes(void **state)
{
    struct proc *p = *state;
    const char *const argv[] = {"/bin/sh", "-c", "while :; do echo more; done", NULL};
    struct lx_child_opts opts = {
        .argv = argv, .on_out = free_on_output, .on_exit = proc_exit, .arg = p};
    assert_int_equal(lx_child_spawn(p->loop, &opts, &p->child, NULL), 0);
    proc_wait_output(p);
    lx_loop_run(p->loop);
    assert_int_equal(p->exits, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, proc_setup, proc_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_signal_ends_the_child),
        TEST(killing_a_group_reaches_the_grandchild),
        TEST(the_exit_waits_for_both_pipes),
        TEST(closed_pipes_do_not_end_a_running_child),
        TEST(a_pipe_kept_open_delays_the_exit_two_seconds),
        TEST(the_group_can_be_killed_after_its_leader_ended),
        TEST(freeing_a_running_child_kills_and_reaps_it_silently),
        TEST(freeing_a_child_with_a_group_kills_the_group),
        TEST(a_child_still_running_does_not_hold_up_the_end_of_the_loop),
        TEST(the_handle_may_be_freed_in_its_exit),
        TEST(the_handle_may_be_freed_while_output_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
