/*
 * The pool with children that are none of ours: programs that say what no VM says, as one would
 * that a script has taken over.
 */
#include "policy_dir.h"

#include "lunexec/clock.h"
#include "policy/frame.h"
#include "policy/value_json.h"

#define WAIT_MS 20000

struct fixture {
    struct lx_loop *loop;
    struct policy_dir dir;
    struct lx_policy *policy;
    bool ready, answered;
    struct lx_err ready_err, answer_err;
};

static int setup(void **state)
{
    struct fixture *fx = lx_alloc(sizeof *fx);
    assert_int_equal(lx_loop_new(&fx->loop, NULL), 0);
    dir_init(&fx->dir);
    dir_write(&fx->dir, "policy/policy.lua", "return {api = 1}\n");
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fx = *state;
    lx_policy_free(fx->policy);
    lx_loop_free(fx->loop);
    dir_done(&fx->dir);
    free(fx);
    return 0;
}

static void on_ready(void *arg, const struct lx_err *err)
{
    struct fixture *fx = arg;
    fx->ready = true;
    fx->ready_err = err ? *err : (struct lx_err){0};
}

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct fixture *fx = arg;
    (void)defined;
    (void)results;
    fx->answered = true;
    fx->answer_err = err ? *err : (struct lx_err){0};
}

/* `json` as a frame, with `more` bytes after the value, at the end of `out`. */
static void add_frame(struct lx_buf *out, const char *json, size_t more)
{
    lx_auto(buf) struct lx_buf frame = LX_FRAME_BUF_INIT;
    lx_auto(json) json_t *value = NULL;
    assert_int_equal(lx_json_parse(json, strlen(json), &value, NULL), 0);
    assert_int_equal(lx_frame_begin(&frame, NULL), 0);
    assert_int_equal(lx_value_put_json(&frame, value, NULL), 0);
    for (size_t i = 0; i < more; i++)
        assert_int_equal(lx_buf_addc(&frame, 'x', NULL), 0);
    lx_frame_seal(&frame);
    assert_int_equal(lx_buf_add(out, frame.data, frame.len, NULL), 0);
}

/* Starts a policy whose child says these bytes, whatever it is told, and stays until it is left. */
static void start(struct fixture *fx, const struct lx_buf *bytes)
{
    lx_auto(str) char *said = lx_strf("%s/said", fx->dir.root);
    lx_auto(str) char *program = lx_strf("%s/program", fx->dir.root);
    lx_auto(str) char *script =
        lx_strf("#!/bin/sh\nprintf x >>'%s/starts'\ncat '%s' >&3\nexec cat <&3 >/dev/null\n",
                fx->dir.root, said);
    struct lx_policy_opts opts = {.exe = program, .load_timeout_ms = 10000};
    struct lx_err err;
    assert_int_equal(lx_file_write(said, bytes->data, bytes->len, 0600, NULL), 0);
    assert_int_equal(lx_file_write(program, script, strlen(script), 0700, NULL), 0);
    lx_policy_free(lx_take(fx->policy));
    fx->ready = fx->answered = false;
    if (lx_policy_new(fx->loop, dir_load(&fx->dir), &opts, NULL, on_ready, fx, &fx->policy, &err))
        fail_msg("%s", err.text);
    if (lx_loop_run_until(fx->loop, &fx->ready, WAIT_MS, &err))
        fail_msg("%s", err.text);
}

static void check_call(struct fixture *fx, enum lx_code code, const char *text)
{
    struct lx_err err;
    lx_auto(json) json_t *args = json_array();
    lx_policy_call(fx->policy, "job", args, on_result, fx);
    if (lx_loop_run_until(fx->loop, &fx->answered, WAIT_MS, &err))
        fail_msg("%s", err.text);
    if (fx->answer_err.code != code || !strstr(fx->answer_err.text, text))
        fail_msg("%d: %s", (int)fx->answer_err.code, fx->answer_err.text);
}

static void test_answers_that_are_none(void **state)
{
    struct fixture *fx = *state;
    static const char *const answers[] = {
        "{}",
        "[]",
        "[1]",
        "[\"ok\"]",
        "[\"ok\",1]",
        "[\"good\",[]]",
        "[\"error\"]",
        "[\"error\",\"limit\"]",
        "[\"error\",1,\"text\"]",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        lx_auto(buf) struct lx_buf bytes = LX_BUF_INIT(1 << 16);
        add_frame(&bytes, answers[i], 0);
        start(fx, &bytes);
        if (fx->ready_err.code != LX_E_PEER || !strstr(fx->ready_err.text, "malformed answer"))
            fail_msg("%s: %d %s", answers[i], (int)fx->ready_err.code, fx->ready_err.text);
        check_call(fx, LX_E_PEER, "malformed answer");
    }
}

static void test_bytes_that_are_none(void **state)
{
    struct fixture *fx = *state;
    lx_auto(buf) struct lx_buf more = LX_BUF_INIT(1 << 16), none = LX_BUF_INIT(1 << 16),
                               large = LX_BUF_INIT(1 << 16);
    add_frame(&more, "[\"ok\",[\"job\"]]", 3);
    start(fx, &more);
    assert_int_equal(fx->ready_err.code, LX_E_PEER);
    assert_int_equal(lx_buf_add(&none, "\2\0\0\0\xff\xff", 6, NULL), 0);
    start(fx, &none);
    assert_non_null(strstr(fx->ready_err.text, "policy child"));
    assert_int_equal(lx_buf_add(&large, "\xff\xff\xff\x7f", 4, NULL), 0);
    start(fx, &large);
    assert_int_equal(fx->ready_err.code, LX_E_LIMIT);
    assert_non_null(strstr(fx->ready_err.text, "a frame of 2147483647 bytes"));
}

static size_t starts(const struct fixture *fx)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(1 << 16);
    lx_auto(str) char *path = lx_strf("%s/starts", fx->dir.root);
    return lx_file_read(path, &text, NULL) == 0 ? text.len : 0;
}

/* It is killed for it, and started again, with more patience each time. */
static void test_an_answer_to_no_question(void **state)
{
    struct fixture *fx = *state;
    bool never = false;
    lx_auto(buf) struct lx_buf bytes = LX_BUF_INIT(1 << 16);
    add_frame(&bytes, "[\"ok\",[\"job\"]]", 0);
    add_frame(&bytes, "[\"ok\",1,[]]", 0);
    start(fx, &bytes);
    assert_int_equal(fx->ready_err.code, LX_OK);
    uint64_t until = lx_now_ms() + WAIT_MS;
    while (starts(fx) < 3 && lx_now_ms() < until)
        lx_loop_run_until(fx->loop, &never, 10, NULL);
    assert_true(starts(fx) >= 3);
    (void)lx_loop_run_until(fx->loop, &never, 1000, NULL);
    assert_in_range(starts(fx), 3, 10);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_answers_that_are_none),
        TEST(test_bytes_that_are_none),
        TEST(test_an_answer_to_no_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
