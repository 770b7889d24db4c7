#include "child_fixture.h"

#include "lunexec/clock.h"

#include <fcntl.h>
#include <unistd.h>

static void output_and_status_arrive(void **state)
{
    struct proc *p = *state;
    proc_start(p, "echo out; echo err >&2; exit 7", (struct lx_child_opts){0});
    assert_true(lx_child_pid(p->child) > 1);
    proc_wait(p);
    assert_string_equal(lx_buf_str(&p->out), "out\n");
    assert_string_equal(lx_buf_str(&p->err), "err\n");
    assert_int_equal(p->status, 7);
    assert_int_equal(p->signal, 0);
    assert_int_equal(p->exits, 1);
}

static void all_of_a_large_output_arrives_before_the_exit(void **state)
{
    struct proc *p = *state;
    proc_start(p, "head -c 3000000 /dev/zero | tr '\\0' x", (struct lx_child_opts){0});
    proc_wait(p);
    assert_int_equal(p->out.len, 3000000);
    assert_int_equal(p->status, 0);
}

static void input_larger_than_a_pipe_is_written_and_ended(void **state)
{
    struct proc *p = *state;
    size_t len = 1u << 20;
    lx_auto(str) char *input = lx_alloc(len);
    memset(input, 'i', len);
    proc_start(p, "cat", (struct lx_child_opts){.in = input, .in_len = len});
    memset(input, 'j', len); /* copied */
    proc_wait(p);
    assert_int_equal(p->out.len, len);
    assert_null(memchr(p->out.data, 'j', len));
}

static void a_child_that_does_not_read_its_input_is_no_trouble(void **state)
{
    struct proc *p = *state;
    size_t len = 1u << 20;
    lx_auto(str) char *input = lx_alloc(len);
    memset(input, 'i', len);
    proc_start(p, "exec <&-; echo done", (struct lx_child_opts){.in = input, .in_len = len});
    proc_wait(p);
    assert_string_equal(lx_buf_str(&p->out), "done\n");
    assert_int_equal(p->status, 0);
}

static void without_input_it_is_empty(void **state)
{
    struct proc *p = *state;
    proc_start(p, "cat; echo end", (struct lx_child_opts){0});
    proc_wait(p);
    assert_string_equal(lx_buf_str(&p->out), "end\n");
}

static void output_is_a_pipe_that_can_be_opened_again(void **state)
{
    struct proc *p = *state;
    proc_start(p, "echo one >/dev/stdout; echo two >/proc/self/fd/2; test -p /dev/stdin && cat",
               (struct lx_child_opts){.in = "three", .in_len = 5});
    proc_wait(p);
    assert_string_equal(lx_buf_str(&p->out), "one\nthree");
    assert_string_equal(lx_buf_str(&p->err), "two\n");
}

static void environment_and_directory_are_as_given(void **state)
{
    struct proc *p = *state;
    const char *const env[] = {"ONLY=this one", NULL};
    proc_start(p, "echo \"$ONLY|$HOME|$(pwd)\"", (struct lx_child_opts){.env = env, .cwd = "/usr"});
    proc_wait(p);
    assert_string_equal(lx_buf_str(&p->out), "this one||/usr\n");
}

static void the_fourth_descriptor_is_passed_and_ends_with_the_child(void **state)
{
    struct proc *p = *state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    proc_start(p, "echo over >&3", (struct lx_child_opts){.fd3 = fds[1]});
    close(fds[1]);
    proc_wait(p);
    char got[16] = {0};
    assert_int_equal(read(fds[0], got, sizeof(got)), 5);
    assert_string_equal(got, "over\n");
    assert_int_equal(read(fds[0], got, sizeof(got)), 0);
    close(fds[0]);
}

static void without_a_fourth_descriptor_there_is_none(void **state)
{
    struct proc *p = *state;
    (void)fcntl(3, F_SETFD, FD_CLOEXEC); /* whatever this program was started with */
    for (int fd3 = -1; fd3 <= 0; fd3++) {
        p->exited = false;
        p->exits = 0;
        proc_start(p, "test -e /proc/$$/fd/3", (struct lx_child_opts){.fd3 = fd3});
        proc_wait(p);
        assert_int_equal(p->status, 1);
        lx_child_free(p->child);
        p->child = NULL;
    }
}

static void the_program_may_differ_from_its_name(void **state)
{
    struct proc *p = *state;
    const char *const argv[] = {"some-name", "-c", "echo $0", NULL};
    struct lx_child_opts opts = {
        .argv = argv, .file = "sh", .on_out = proc_out, .on_exit = proc_exit, .arg = p};
    assert_int_equal(lx_child_spawn(p->loop, &opts, &p->child, NULL), 0);
    proc_wait(p);
    assert_string_equal(lx_buf_str(&p->out), "some-name\n");
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
    struct proc *p = *state;
    const char *const argv[] = {"/nonexistent/program", NULL};
    struct lx_child_opts opts = {
        .argv = argv, .in = "x", .in_len = 1, .on_out = proc_out, .on_exit = proc_exit, .arg = p};
    struct lx_err err = {0};
    assert_int_equal(lx_child_spawn(p->loop, &opts, &p->child, &err), -1);
    assert_int_equal(err.code, LX_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/program"));
    assert_null(p->child);
    lx_loop_run(p->loop);
    assert_int_equal(p->exits, 0);
}

static void many_children_leave_no_descriptor_behind(void **state)
{
    struct proc *p = *state;
    int first = dup(0);
    close(first);
    for (int i = 0; i < 50; i++) {
        p->exited = false;
        p->exits = 0;
        proc_start(p, "cat; exit 1", (struct lx_child_opts){.in = "abc", .in_len = 3});
        proc_wait(p);
        lx_child_free(p->child);
        p->child = NULL;
    }
    lx_loop_run(p->loop);
    /* What the loop opened for itself with the first child (its signal pipe) stays. */
    int last = dup(0);
    close(last);
    assert_in_range(last - first, 0, 4);
    assert_int_equal(p->out.len, 150);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, proc_setup, proc_teardown)
    const struct CMUnitTest tests[] = {
        TEST(output_and_status_arrive),
        TEST(all_of_a_large_output_arrives_before_the_exit),
        TEST(input_larger_than_a_pipe_is_written_and_ended),
        TEST(a_child_that_does_not_read_its_input_is_no_trouble),
        TEST(without_input_it_is_empty),
        TEST(output_is_a_pipe_that_can_be_opened_again),
        TEST(environment_and_directory_are_as_given),
        TEST(the_fourth_descriptor_is_passed_and_ends_with_the_child),
        TEST(without_a_fourth_descriptor_there_is_none),
        TEST(the_program_may_differ_from_its_name),
        TEST(a_program_that_is_not_there_is_an_error),
        TEST(many_children_leave_no_descriptor_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
