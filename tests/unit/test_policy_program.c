/*
 * lunexec-policy as the executor uses it: a program with a socket as descriptor 3, spoken to in
 * frames.
 */
#include "policy_vm.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
    pid_t pid;
    int socket; /* -1: none was given */
    int words;  /* what it writes to standard error */
};

static const char *path_of_program(void)
{
    static char path[PATH_MAX + 32];
    char own[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    assert_true(n > 0);
    own[n] = 0;
    *strrchr(own, '/') = 0;
    snprintf(path, sizeof path, "%s/lunexec-policy", own);
    return path;
}

static struct program start(const char *arg, bool with_socket)
{
    struct program program = {.socket = -1};
    int ends[2], words[2];
    const char *path = path_of_program();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(pipe(words), 0);
    program.pid = fork();
    assert_true(program.pid >= 0);
    if (program.pid == 0) {
        int fds[2] = {dup(ends[1]), dup(words[1])};
        if (fds[0] < 0 || dup2(fds[1], STDERR_FILENO) < 0)
            _exit(126);
        if (with_socket)
            dup2(fds[0], 3);
        else
            close(3);
        execl(path, path, arg, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    close(words[1]);
    program.words = words[0];
    if (with_socket)
        program.socket = ends[0];
    else
        close(ends[0]);
    return program;
}

/* Closes the socket; the wait status of the program, and in `text` what it had to say. */
static int end(struct program *program, char *text, size_t size)
{
    int status = 0;
    size_t len = 0;
    ssize_t n = 0;
    if (program->socket >= 0)
        close(program->socket);
    while (len + 1 < size && (n = read(program->words, text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    close(program->words);
    assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
    return status;
}

static void send_bytes(const struct program *program, const char *data, size_t len)
{
    while (len > 0) { /* in parts, when this process is stopped meanwhile */
        ssize_t n = send(program->socket, data, len, MSG_NOSIGNAL);
        assert_true(n > 0 || (n < 0 && errno == EINTR));
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

/* The message as a frame, `piece` bytes at a time; releases it. */
static void send_message(const struct program *program, json_t *message, size_t piece)
{
    lx_auto(buf) struct lx_buf out = LX_FRAME_BUF_INIT;
    assert_non_null(message);
    assert_int_equal(lx_frame_begin(&out, NULL), 0);
    assert_int_equal(lx_value_put_json(&out, message, NULL), 0);
    lx_frame_seal(&out);
    json_decref(message);
    for (size_t at = 0; at < out.len; at += piece)
        send_bytes(program, out.data + at, out.len - at < piece ? out.len - at : piece);
}

/* The next answer, which comes within ten seconds. */
static struct lx_answer next_answer(const struct program *program)
{
    const struct timeval patience = {.tv_sec = 10};
    lx_auto(buf) struct lx_buf in = LX_FRAME_BUF_INIT;
    struct lx_answer answer;
    struct lx_err err;
    const char *data = NULL;
    size_t len = 0, missing = 0;
    assert_int_equal(
        setsockopt(program->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    while (lx_frame_peek(&in, &data, &len, &missing, NULL) == 0) {
        char *to = lx_buf_reserve(&in, missing, NULL);
        assert_non_null(to);
        ssize_t n = read(program->socket, to, missing);
        if (n < 0 && errno == EINTR)
            continue; /* this process was stopped for a while */
        if (n <= 0)
            fail_msg("no answer: %s", n < 0 ? strerror(errno) : "the program has ended");
        in.len += (size_t)n;
    }
    if (lx_answer_read(data, len, &answer, &err))
        fail_msg("answer: %s", err.text);
    return answer;
}

static json_t *load(const char *body, int cpu_ms)
{
    lx_auto(str) char *source = lx_strf("return { api = 1, f = function(x)\n%s\nend }", body);
    return json_pack("[s,I,i,{s:s}]", "load", TEST_MEMORY, cpu_ms, "policy", source);
}

static json_t *call(const char *arg)
{
    return json_pack("[s,s,[s]]", "call", "f", arg);
}

static void expect(const struct program *program, enum lx_answer_kind kind, const char *text)
{
    struct lx_answer answer = next_answer(program);
    lx_auto(str) char *values =
        answer.values ? lx_json_text(answer.values) : lx_strdup(answer.text);
    if (answer.kind != kind || !strstr(values, text))
        fail_msg("answer %d: %s", (int)answer.kind, values);
    lx_answer_done(&answer);
}

static void expect_end(struct program *program, int want, const char *said)
{
    char text[512];
    int status = end(program, text, sizeof text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != want || !strstr(text, said))
        fail_msg("status %x: %s", (unsigned)status, text);
    if (!*said)
        assert_string_equal(text, "");
}

static void test_it_answers_until_the_socket_closes(void **state)
{
    (void)state;
    struct program program = start("policy-child", true);
    send_message(&program, load("return x .. '!'", 1000), SIZE_MAX);
    expect(&program, LX_ANSWER_OK, "[\"f\"]");
    send_message(&program, call("one"), 1);
    expect(&program, LX_ANSWER_OK, "[\"one!\"]");
    send_message(&program, call("two"), SIZE_MAX);
    expect(&program, LX_ANSWER_OK, "[\"two!\"]");
    expect_end(&program, 0, "");
}

/* Buffers of such a size are given back in between. */
static void test_long_messages_come_and_go(void **state)
{
    (void)state;
    struct program program = start("policy-child", true);
    lx_auto(str) char *text = lx_alloc(1 << 20);
    memset(text, 'x', (1 << 20) - 1);
    send_message(&program, load("return #x, x", 1000), SIZE_MAX);
    expect(&program, LX_ANSWER_OK, "[\"f\"]");
    for (int i = 0; i < 2; i++) {
        send_message(&program, call(text), 1 << 16);
        expect(&program, LX_ANSWER_OK, "[1048575,\"xxx");
    }
    send_message(&program, call("short"), SIZE_MAX);
    expect(&program, LX_ANSWER_OK, "[5,\"short\"]");
    expect_end(&program, 0, "");
}

static void test_a_loop_is_interrupted_and_the_next_call_is_answered(void **state)
{
    (void)state;
    struct program program = start("policy-child", true);
    send_message(&program, load("while x == 'loop' do end return x", 50), SIZE_MAX);
    expect(&program, LX_ANSWER_OK, "[\"f\"]");
    send_message(&program, call("loop"), SIZE_MAX);
    expect(&program, LX_ANSWER_LIMIT, "time limit");
    send_message(&program, call("once"), SIZE_MAX);
    expect(&program, LX_ANSWER_OK, "[\"once\"]");
    expect_end(&program, 0, "");
}

static void test_what_is_no_frame_ends_it_with_a_word(void **state)
{
    (void)state;
    struct program program = start("policy-child", true);
    send_bytes(&program, "\xff\xff\xff\x7f", 4);
    expect_end(&program, 1, "lunexec-policy: a frame of 2147483647 bytes\n");
}

static void test_half_a_message_is_none(void **state)
{
    (void)state;
    struct program program = start("policy-child", true);
    send_bytes(&program, "\x10\0\0\0half", 8);
    expect_end(&program, 0, "");
}

static void test_it_is_not_started_by_hand(void **state)
{
    (void)state;
    static const char said[] = "is started by lunexec, not by hand\n";
    struct program without_socket = start("policy-child", false);
    expect_end(&without_socket, 2, said);
    struct program other_word = start("policy", true);
    expect_end(&other_word, 2, said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_answers_until_the_socket_closes),
        cmocka_unit_test(test_long_messages_come_and_go),
        cmocka_unit_test(test_a_loop_is_interrupted_and_the_next_call_is_answered),
        cmocka_unit_test(test_what_is_no_frame_ends_it_with_a_word),
        cmocka_unit_test(test_half_a_message_is_none),
        cmocka_unit_test(test_it_is_not_started_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
