/*
 * Policies that mean harm (tests/fixtures/hostile_policies.txt), each a function of one bundle:
 * every one must be contained, and the call after it must be answered as if nothing had been.
 */
#include "policy_dir.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define CALL_MS 1500
#define CPU_MS 150
#define MEMORY_MAX ((size_t)32 << 20)

enum outcome {
    STOPPED, /* by a limit: an error that names it, or killed on the deadline */
    FAILS,   /* with an error that contains `says` */
    RETURNS, /* `says`, the JSON of all results */
};

struct script {
    char *name, *body, *says;
    enum outcome outcome;
};

#define SCRIPTS_MAX 200

static struct script scripts[SCRIPTS_MAX];
static size_t n_scripts;

static enum outcome outcome_of(const char *text)
{
    static const char *const names[] = {"STOPPED", "FAILS", "RETURNS"};
    for (size_t i = 0; i < 3; i++)
        if (lx_streq(text, names[i]))
            return (enum outcome)i;
    fail_msg("no such outcome: %s", text);
    return STOPPED;
}

/* "--- name | outcome | text", then the body, up to the next line that begins with "--". */
static void read_script(char **line)
{
    struct script *script = &scripts[n_scripts++];
    lx_auto(buf) struct lx_buf body = LX_BUF_INIT(1 << 16);
    char *name = *line + 4, *outcome = strstr(name, " | ") + 3, *says = strstr(outcome, " | ");
    if (says)
        *says = 0;
    outcome[-3] = 0;
    script->name = lx_strdup(name);
    script->outcome = outcome_of(outcome);
    script->says = lx_strdup(says ? says + 3 : "");
    for (line++; *line && !lx_starts_with(*line, "--"); line++)
        lx_buf_addf(&body, NULL, "%s\n", *line);
    script->body = lx_buf_take(&body);
}

static int read_scripts(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(1 << 20);
    struct lx_err err;
    if (lx_file_read(LX_SOURCE_DIR "/tests/fixtures/hostile_policies.txt", &text, &err))
        fail_msg("%s", err.text);
    lx_auto(strv) char **lines = lx_split(lx_buf_str(&text), '\n');
    for (char **line = lines; *line; line++)
        if (lx_starts_with(*line, "--- ") && n_scripts < SCRIPTS_MAX)
            read_script(line);
    assert_in_range(n_scripts, 90, SCRIPTS_MAX - 1);
    return 0;
}

static size_t index_of(const char *name)
{
    for (size_t i = 0; i < n_scripts; i++)
        if (lx_streq(scripts[i].name, name))
            return i;
    fail_msg("no script %s", name);
    return 0;
}

static int free_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_scripts; i++) {
        free(scripts[i].name);
        free(scripts[i].body);
        free(scripts[i].says);
    }
    return 0;
}

struct fixture {
    struct lx_loop *loop;
    struct policy_dir dir;
    struct lx_policy *policy;
    bool ready;
};

struct answer {
    bool came;
    char *results;
    struct lx_err err;
};

static void on_ready(void *arg, const struct lx_err *err)
{
    struct fixture *fx = arg;
    fx->ready = true;
    if (err)
        fail_msg("%s", err->text);
}

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct answer *answer = arg;
    answer->came = true;
    assert_true(defined);
    answer->results = lx_json_text(results);
    if (err)
        answer->err = *err;
}

static struct answer call(struct fixture *fx, const char *function)
{
    struct answer answer = {0};
    json_t *args = json_array();
    struct lx_err err;
    lx_policy_call(fx->policy, function, args, on_result, &answer);
    json_decref(args);
    if (lx_loop_run_until(fx->loop, &answer.came, 30000, &err))
        fail_msg("%s: %s", function, err.text);
    return answer;
}

static char self[4096]; /* this program's path; set once in main */

static int setup(void **state)
{
    struct fixture *fx = lx_alloc(sizeof *fx);
    struct lx_buf source = LX_BUF_INIT(1 << 20);
    const struct lx_policy_opts opts = {.exe = self,
                                        .call_timeout_ms = CALL_MS,
                                        .call_cpu_ms = CPU_MS,
                                        .load_timeout_ms = 10000,
                                        .memory_max = MEMORY_MAX};
    dir_init(&fx->dir);
    assert_int_equal(lx_loop_new(&fx->loop, NULL), 0);
    lx_buf_adds(&source, "local M = {api = 1}\nfunction M.ok() return 1 end\n", NULL);
    for (size_t i = 0; i < n_scripts; i++)
        lx_buf_addf(&source, NULL, "function M.h%zu()\n%s\nend\n", i, scripts[i].body);
    lx_buf_adds(&source, "return M\n", NULL);
    dir_write(&fx->dir, "policy/policy.lua", lx_buf_str(&source));
    lx_buf_done(&source);
    assert_int_equal(
        lx_policy_new(fx->loop, dir_load(&fx->dir), &opts, NULL, on_ready, fx, &fx->policy, NULL),
        0);
    assert_int_equal(lx_loop_run_until(fx->loop, &fx->ready, 30000, NULL), 0);
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

static bool is_as_expected(const struct script *script, const struct answer *answer)
{
    enum lx_code code = answer->err.code;
    switch (script->outcome) {
    case STOPPED:
        return code == LX_E_TIMEOUT || (code == LX_E_REFUSED && strstr(answer->err.text, "limit"));
    case FAILS:
        return code == LX_E_REFUSED && strstr(answer->err.text, script->says);
    case RETURNS:
        return code == LX_OK && lx_streq(answer->results, script->says);
    }
    return false;
}

static void test_each_is_contained(void **state)
{
    struct fixture *fx = *state;
    unsigned wrong = 0;
    for (size_t i = 0; i < n_scripts; i++) {
        char function[24];
        snprintf(function, sizeof function, "h%zu", i);
        struct answer answer = call(fx, function);
        if (!is_as_expected(&scripts[i], &answer)) {
            print_error("%s: %s: %.200s\n", scripts[i].name, lx_code_name(answer.err.code),
                        answer.err.code ? answer.err.text : answer.results);
            wrong++;
        }
        free(answer.results);
        answer = call(fx, "ok");
        if (answer.err.code != LX_OK || !lx_streq(answer.results, "[1]"))
            fail_msg("after %s: %s", scripts[i].name, answer.err.text);
        free(answer.results);
    }
    assert_int_equal(wrong, 0);
}

static void on_tick(void *arg)
{
    ++*(unsigned *)arg;
}

/* What a thread that does nothing else gets of the machine. */
struct naps {
    atomic_uint n;
    atomic_bool over;
};

static void *take_naps(void *arg)
{
    struct naps *naps = arg;
    for (; !naps->over; naps->n++)
        usleep(10000);
    return NULL;
}

/* While one call burns its time, the loop goes on with everything else. */
static void test_the_loop_is_not_held_up(void **state)
{
    struct fixture *fx = *state;
    struct naps naps = {0};
    pthread_t thread;
    unsigned ticks = 0;
    struct lx_timer *timer = lx_timer_new(fx->loop, on_tick, &ticks);
    assert_int_equal(pthread_create(&thread, NULL, take_naps, &naps), 0);
    lx_timer_start(timer, 10, 10);
    char function[24];
    snprintf(function, sizeof function, "h%zu", index_of("backtracking")); /* until the deadline */
    struct answer answer = call(fx, function);
    naps.over = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    lx_timer_free(timer);
    assert_int_equal(answer.err.code, LX_E_TIMEOUT);
    free(answer.results);
    if (ticks < naps.n / 4)
        fail_msg("%u ticks of 10 ms, %u naps", ticks, naps.n);
}

int main(int argc, char **argv)
{
    if (argc == 2 && lx_streq(argv[1], "policy-child"))
        return lx_policy_child_main(3);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_is_contained, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_loop_is_not_held_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, read_scripts, free_scripts);
}
