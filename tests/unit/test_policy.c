/*
 * The pool with a real child: this program started again.
 */
#include "policy_dir.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <signal.h>
#include <unistd.h>

#define WAIT_MS 20000

static char self[4096]; /* this program's path; set once in main */

struct fixture {
    struct lx_loop *loop;
    struct policy_dir dir;
    struct lx_policy *policy;
    bool ready;
    struct lx_err ready_err; /* code LX_OK: the bundle is good */
};

/* What a call's callback was given. */
struct outcome {
    bool came, defined;
    int times;
    char *results; /* JSON text */
    struct lx_err err;
    char *text; /* lx_policy_error_text */
    struct lx_policy *policy;
};

static int setup(void **state)
{
    struct fixture *fx = lx_alloc(sizeof *fx);
    assert_int_equal(lx_loop_new(&fx->loop, NULL), 0);
    dir_init(&fx->dir);
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
    assert_false(fx->ready);
    fx->ready = true;
    if (err)
        fx->ready_err = *err;
}

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct outcome *outcome = arg;
    outcome->came = true;
    assert_int_equal(++outcome->times, 1);
    outcome->defined = defined;
    outcome->results = lx_json_text(results);
    outcome->text = lx_strdup(lx_policy_error_text(outcome->policy));
    if (err)
        outcome->err = *err;
}

static void outcome_done(struct outcome *outcome)
{
    free(outcome->results);
    free(outcome->text);
}

static void wait_for(struct fixture *fx, const bool *flag)
{
    struct lx_err err;
    if (lx_loop_run_until(fx->loop, flag, WAIT_MS, &err))
        fail_msg("%s", err.text);
}

/* Starts a pool with this policy.lua and waits until it is ready or refused. */
static void start_with(struct fixture *fx, const char *source, const struct lx_policy_opts *given)
{
    struct lx_policy_opts opts =
        given ? *given : (struct lx_policy_opts){.call_timeout_ms = 20000, .call_cpu_ms = 20000};
    struct lx_err err;
    if (!opts.exe)
        opts.exe = self;
    if (!opts.load_timeout_ms)
        opts.load_timeout_ms = 10000;
    dir_write(&fx->dir, "policy/policy.lua", source);
    if (lx_policy_new(fx->loop, dir_load(&fx->dir), &opts, NULL, on_ready, fx, &fx->policy, &err))
        fail_msg("%s", err.text);
    assert_false(fx->ready);
    wait_for(fx, &fx->ready);
}

static void start(struct fixture *fx, const char *source)
{
    start_with(fx, source, NULL);
    if (fx->ready_err.code != LX_OK)
        fail_msg("%s", fx->ready_err.text);
}

static struct lx_policy_call *begin(struct fixture *fx, const char *function, const char *args,
                                    struct outcome *outcome)
{
    json_t *values = NULL;
    assert_int_equal(lx_json_parse(args, strlen(args), &values, NULL), 0);
    *outcome = (struct outcome){.policy = fx->policy};
    struct lx_policy_call *call = lx_policy_call(fx->policy, function, values, on_result, outcome);
    json_decref(values);
    assert_false(outcome->came);
    return call;
}

static struct outcome call(struct fixture *fx, const char *function, const char *args)
{
    struct outcome outcome;
    begin(fx, function, args, &outcome);
    wait_for(fx, &outcome.came);
    return outcome;
}

static void check_call(struct fixture *fx, const char *function, const char *args,
                       const char *results)
{
    struct outcome outcome = call(fx, function, args);
    if (outcome.err.code != LX_OK)
        fail_msg("%s", outcome.err.text);
    assert_true(outcome.defined);
    assert_string_equal(outcome.results, results);
    outcome_done(&outcome);
}

static void check_failure(const struct outcome *outcome, enum lx_code code, const char *part)
{
    assert_int_equal(outcome->err.code, code);
    if (!strstr(outcome->err.text, part))
        fail_msg("%s", outcome->err.text);
}

/* ---- Ordinary calls ---- */

static void test_calls_are_answered_in_order(void **state)
{
    struct fixture *fx = *state;
    start(fx, "return {api = 1, echo = function(...) return ... end}");
    struct outcome outcomes[50];
    for (size_t i = 0; i < 50; i++) {
        char args[32];
        snprintf(args, sizeof args, "[%zu,[],{},null]", i);
        begin(fx, "echo", args, &outcomes[i]);
    }
    wait_for(fx, &outcomes[49].came);
    for (size_t i = 0; i < 50; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "[%zu,[],{},null]", i);
        assert_int_equal(outcomes[i].times, 1);
        assert_string_equal(outcomes[i].results, expected);
        outcome_done(&outcomes[i]);
    }
}

static void test_missing_function_is_told(void **state)
{
    struct fixture *fx = *state;
    start(fx, "return {api = 1, other = 5}");
    struct outcome outcome = call(fx, "other", "[]");
    assert_false(outcome.defined);
    assert_int_equal(outcome.err.code, LX_OK);
    assert_string_equal(outcome.results, "[]");
    outcome_done(&outcome);
}

static void test_calls_may_come_before_ready(void **state)
{
    struct fixture *fx = *state;
    struct outcome outcome = {0};
    dir_write(&fx->dir, "policy/policy.lua", "return {api = 1, f = function() return 1 end}");
    const struct lx_policy_opts opts = {
        .exe = self, .call_timeout_ms = 10000, .load_timeout_ms = 10000};
    assert_int_equal(
        lx_policy_new(fx->loop, dir_load(&fx->dir), &opts, NULL, on_ready, fx, &fx->policy, NULL),
        0);
    begin(fx, "f", "[]", &outcome);
    wait_for(fx, &outcome.came);
    assert_string_equal(outcome.results, "[1]");
    outcome_done(&outcome);
}

static void test_large_values_cross(void **state)
{
    struct fixture *fx = *state;
    start(fx, "return {api = 1, f = function(n) local t = {} for i = 1, 4 do t[i] = "
              "('x'):rep(n) end return t, n end, g = function(a) return a end}");
    struct outcome outcome = call(fx, "f", "[1500000]"); /* 6 MB back */
    assert_int_equal(outcome.err.code, LX_OK);
    assert_true(strlen(outcome.results) > 6000000);
    outcome_done(&outcome);

    char *text = lx_alloc(6000001);
    memset(text, 'y', 6000000);
    char *args = lx_strf("[\"%s\"]", text);
    outcome = call(fx, "g", args);
    assert_int_equal(outcome.err.code, LX_OK);
    assert_string_equal(outcome.results, args);
    outcome_done(&outcome);

    outcome = call(fx, "f", "[3000000]");
    check_failure(&outcome, LX_E_REFUSED, "larger than 8 MiB");
    outcome_done(&outcome);
    memset(text, 'z', 6000000);
    char *twice = lx_strf("[\"%s\",\"%s\"]", text, text);
    outcome = call(fx, "g", twice);
    check_failure(&outcome, LX_E_LIMIT, "arguments of policy function g");
    outcome_done(&outcome);
    free(text);
    free(args);
    free(twice);
}

static void test_library_is_found(void **state)
{
    struct fixture *fx = *state;
    dir_write(&fx->dir, "lua/lunexec/pod.lua", "return {name = ...}");
    dir_write(&fx->dir, "policy/template.lua", "return {pod = require 'lunexec.pod'}");
    start(fx, "local t = require 'template' return {api = 1, f = function() return t.pod end}");
    check_call(fx, "f", "[]", "[{\"name\":\"lunexec.pod\"}]");
}

/* ---- Errors of scripts ---- */

static void test_error_has_position_and_traceback(void **state)
{
    struct fixture *fx = *state;
    start(fx, "return {api = 1,\n f = function(job)\n  return job.steps[1] end}");
    struct outcome outcome = call(fx, "f", "[{}]");
    check_failure(&outcome, LX_E_REFUSED, "policy.lua:3: attempt to index a nil value");
    assert_null(strchr(outcome.err.text, '\n'));
    assert_non_null(strstr(outcome.text, "stack traceback:\n"));
    outcome_done(&outcome);
}

static void test_bad_bundle_is_refused(void **state)
{
    struct fixture *fx = *state;
    start_with(fx, "return {\n api = 1,\n job = function( end }", NULL);
    assert_int_equal(fx->ready_err.code, LX_E_REFUSED);
    assert_non_null(strstr(fx->ready_err.text, "policy.lua:3:"));
    struct outcome outcome = call(fx, "job", "[]");
    check_failure(&outcome, LX_E_REFUSED, "policy.lua:3:");
    outcome_done(&outcome);
    bool never = false;
    for (int i = 0; i < 1000 && lx_policy_child_pid(fx->policy); i++)
        lx_loop_run_until(fx->loop, &never, 10, NULL);
    assert_int_equal(lx_policy_child_pid(fx->policy), 0);
}

static void test_missing_program_is_named(void **state)
{
    struct fixture *fx = *state;
    start_with(fx, "return {api = 1}", &(struct lx_policy_opts){.exe = "/nonexistent/program"});
    assert_int_equal(fx->ready_err.code, LX_E_NOT_FOUND);
    if (!strstr(fx->ready_err.text, "/nonexistent/program"))
        fail_msg("%s", fx->ready_err.text);
}

/* What a child says on standard error goes into the message, not to ours. */
static void test_last_words_are_kept(void **state)
{
    struct fixture *fx = *state;
    start_with(fx, "return {api = 1}", &(struct lx_policy_opts){.exe = "/bin/ls"});
    assert_int_equal(fx->ready_err.code, LX_E_IO);
    if (!strstr(fx->ready_err.text, "policy-child"))
        fail_msg("%s", fx->ready_err.text);
}

static void test_program_that_is_none_of_ours(void **state)
{
    struct fixture *fx = *state;
    start_with(fx, "return {api = 1}", &(struct lx_policy_opts){.exe = "/bin/false"});
    assert_int_equal(fx->ready_err.code, LX_E_IO);
    assert_non_null(strstr(fx->ready_err.text, "ended with status 1"));
}

/* ---- Time and death ---- */

static void test_endless_loop_is_stopped_with_its_place(void **state)
{
    struct fixture *fx = *state;
    start_with(fx,
               "return {api = 1, f = function()\n while true do end end,\n"
               "ok = function() return 1 end}",
               &(struct lx_policy_opts){.call_timeout_ms = 15000, .call_cpu_ms = 200});
    struct outcome outcome = call(fx, "f", "[]");
    check_failure(&outcome, LX_E_REFUSED, "policy.lua:2: the time limit is used up");
    outcome_done(&outcome);
    check_call(fx, "ok", "[]", "[1]");
}

/* A pattern that backtracks for ever is one instruction: only the executor's deadline ends it. */
static const char *const stuck =
    "return {api = 1, f = function() return (('a'):rep(60)):find(('a?'):rep(60) .. "
    "('a'):rep(60)) end, ok = function() return 1 end}";

static void test_deadline_kills_and_the_next_call_works(void **state)
{
    struct fixture *fx = *state;
    start_with(fx, stuck, &(struct lx_policy_opts){.call_timeout_ms = 1500});
    struct outcome bad, good;
    uint64_t before = lx_now_ms();
    begin(fx, "f", "[]", &bad);
    begin(fx, "ok", "[]", &good);
    wait_for(fx, &good.came);
    check_failure(&bad, LX_E_TIMEOUT, "policy function f took longer than 1500 ms");
    assert_int_equal(bad.times, 1);
    assert_true(lx_now_ms() - before >= 1500);
    assert_int_equal(good.err.code, LX_OK);
    assert_string_equal(good.results, "[1]");
    outcome_done(&bad);
    outcome_done(&good);
}

static void hold_up(void *arg)
{
    (void)arg;
    usleep(2000000);
}

/* An answer that came in time counts, even when the loop is too late to see it. */
static void test_a_late_loop_is_not_the_childs_fault(void **state)
{
    struct fixture *fx = *state;
    start_with(fx, "return {api = 1, ok = function() return 1 end}",
               &(struct lx_policy_opts){.call_timeout_ms = 1500});
    struct outcome outcome;
    struct lx_task task;
    lx_task_init(&task, hold_up, NULL);
    begin(fx, "ok", "[]", &outcome);
    lx_task_post(fx->loop, &task);
    wait_for(fx, &outcome.came);
    assert_int_equal(outcome.err.code, LX_OK);
    assert_string_equal(outcome.results, "[1]");
    outcome_done(&outcome);
}

static void test_slow_load_is_refused(void **state)
{
    struct fixture *fx = *state;
    start_with(fx, "(('a'):rep(60)):find(('a?'):rep(60) .. ('a'):rep(60)) return {api = 1}",
               &(struct lx_policy_opts){.load_timeout_ms = 500});
    assert_int_equal(fx->ready_err.code, LX_E_TIMEOUT);
    assert_non_null(strstr(fx->ready_err.text, "loading the policy"));
}

static void test_memory_limit_names_the_place(void **state)
{
    struct fixture *fx = *state;
    start_with(fx,
               "return {api = 1, f = function()\n local t = {}\n"
               " for i = 1, math.huge do\n t[i] = {i} end end, ok = function() return 1 end}",
               &(struct lx_policy_opts){.call_timeout_ms = 10000, .memory_max = 4 << 20});
    pid_t before = lx_policy_child_pid(fx->policy);
    struct outcome outcome = call(fx, "f", "[]");
    check_failure(&outcome, LX_E_REFUSED, "policy.lua:4: the memory limit of 4096 KiB is used up");
    outcome_done(&outcome);
    check_call(fx, "ok", "[]", "[1]");
    assert_int_not_equal(lx_policy_child_pid(fx->policy), before);
}

struct assassin {
    struct fixture *fx;
    struct lx_timer *timer;
    pid_t last;
    int killed, limit;
};

/* Whether the process has used a quarter of a second: loading takes less, so it is in the call. */
static bool is_in_call(pid_t pid)
{
    char path[64];
    struct lx_buf text = LX_BUF_INIT(4096);
    unsigned long ticks = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid > 0 && lx_file_read(path, &text, NULL) == 0) {
        const char *rest = strrchr(lx_buf_str(&text), ')');
        if (rest)
            sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &ticks);
    }
    lx_buf_done(&text);
    return ticks * 4 >= (unsigned long)sysconf(_SC_CLK_TCK);
}

/* Kills each new child that works on the call, up to a limit. */
static void on_kill_time(void *arg)
{
    struct assassin *assassin = arg;
    pid_t pid = lx_policy_child_pid(assassin->fx->policy);
    if (pid == assassin->last || assassin->killed == assassin->limit || !is_in_call(pid))
        return;
    kill(pid, SIGKILL);
    assassin->last = pid;
    assassin->killed++;
}

static struct outcome call_under_fire(struct fixture *fx, const char *function, int kills)
{
    struct outcome outcome;
    struct assassin assassin = {.fx = fx, .limit = kills};
    assassin.timer = lx_timer_new(fx->loop, on_kill_time, &assassin);
    begin(fx, function, "[]", &outcome);
    lx_timer_start(assassin.timer, 10, 10);
    wait_for(fx, &outcome.came);
    lx_timer_free(assassin.timer);
    assert_int_equal(assassin.killed, kills);
    return outcome;
}

/* `long` ends by itself, but not before this process was not scheduled for quite a while. */
static const char *const busy =
    "return {api = 1, long = function() for i = 1, 500000000 do end return 1 end,"
    " endless = function() while true do end end, ok = function() return 1 end}";

static void test_a_killed_child_is_replaced_and_the_call_repeated(void **state)
{
    struct fixture *fx = *state;
    start(fx, busy);
    struct outcome outcome = call_under_fire(fx, "long", 1);
    assert_int_equal(outcome.err.code, LX_OK);
    assert_string_equal(outcome.results, "[1]");
    outcome_done(&outcome);
}

static void test_a_call_that_dies_twice_fails(void **state)
{
    struct fixture *fx = *state;
    start(fx, busy);
    struct outcome outcome = call_under_fire(fx, "endless", 2);
    check_failure(&outcome, LX_E_IO, "killed by signal 9");
    assert_int_equal(outcome.times, 1);
    outcome_done(&outcome);
    check_call(fx, "ok", "[]", "[1]");
}

static void test_idle_child_that_dies_is_replaced(void **state)
{
    struct fixture *fx = *state;
    start(fx, busy);
    kill(lx_policy_child_pid(fx->policy), SIGKILL);
    check_call(fx, "ok", "[]", "[1]");
}

/* ---- Cancelling ---- */

static void test_cancelled_calls_stay_silent(void **state)
{
    struct fixture *fx = *state;
    start(fx, "return {api = 1, echo = function(...) return ... end}");
    struct outcome outcomes[4];
    struct lx_policy_call *calls[4];
    for (size_t i = 0; i < 4; i++)
        calls[i] = begin(fx, "echo", i % 2 ? "[1]" : "[2]", &outcomes[i]);
    lx_policy_cancel(calls[0]); /* in flight */
    lx_policy_cancel(calls[2]); /* waiting */
    wait_for(fx, &outcomes[3].came);
    assert_false(outcomes[0].came);
    assert_false(outcomes[2].came);
    assert_string_equal(outcomes[1].results, "[1]");
    outcome_done(&outcomes[1]);
    outcome_done(&outcomes[3]);
}

static void test_free_cancels_everything(void **state)
{
    struct fixture *fx = *state;
    start(fx, stuck);
    struct outcome outcomes[3];
    for (size_t i = 0; i < 3; i++)
        begin(fx, i == 0 ? "f" : "none", "[]", &outcomes[i]);
    pid_t pid = lx_policy_child_pid(fx->policy);
    lx_policy_free(lx_take(fx->policy));
    lx_loop_free(lx_take(fx->loop));
    for (size_t i = 0; i < 3; i++)
        assert_false(outcomes[i].came);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(lx_loop_new(&fx->loop, NULL), 0);
}

static void test_too_many_calls_are_refused(void **state)
{
    struct fixture *fx = *state;
    start(fx, "return {api = 1, echo = function(...) return ... end}");
    static struct outcome outcomes[1025];
    for (size_t i = 0; i < 1025; i++)
        begin(fx, "echo", "[]", &outcomes[i]);
    wait_for(fx, &outcomes[1024].came);
    wait_for(fx, &outcomes[1023].came);
    check_failure(&outcomes[1024], LX_E_LIMIT, "wait");
    for (size_t i = 0; i < 1025; i++) {
        assert_int_equal(outcomes[i].times, 1);
        outcome_done(&outcomes[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && lx_streq(argv[1], "policy-child"))
        return lx_policy_child_main(3);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_calls_are_answered_in_order),
        TEST(test_missing_function_is_told),
        TEST(test_calls_may_come_before_ready),
        TEST(test_large_values_cross),
        TEST(test_library_is_found),
        TEST(test_error_has_position_and_traceback),
        TEST(test_bad_bundle_is_refused),
        TEST(test_missing_program_is_named),
        TEST(test_last_words_are_kept),
        TEST(test_program_that_is_none_of_ours),
        TEST(test_endless_loop_is_stopped_with_its_place),
        TEST(test_deadline_kills_and_the_next_call_works),
        TEST(test_a_late_loop_is_not_the_childs_fault),
        TEST(test_slow_load_is_refused),
        TEST(test_memory_limit_names_the_place),
        TEST(test_a_killed_child_is_replaced_and_the_call_repeated),
        TEST(test_a_call_that_dies_twice_fails),
        TEST(test_idle_child_that_dies_is_replaced),
        TEST(test_cancelled_calls_stay_silent),
        TEST(test_free_cancels_everything),
        TEST(test_too_many_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
