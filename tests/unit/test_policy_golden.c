/*
 * The bundled policy, in the child that production uses: every golden case of spec/golden comes out
 * as the specs say, and passes the rules for manifests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lunexec/file.h"
#include "lunexec/plan.h"
#include "lunexec/policy.h"
#include "lunexec/text.h"

#include <dirent.h>
#include <unistd.h>

#define GOLDEN LX_SOURCE_DIR "/spec/golden"

static char self[4096]; /* this program's path; set once in main */

struct fixture {
    struct lx_loop *loop;
    struct lx_policy *policy;
    bool done;
    json_t *results;
};

static void on_ready(void *arg, const struct lx_err *err)
{
    struct fixture *fx = arg;
    if (err)
        fail_msg("%s", err->text);
    fx->done = true;
}

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct fixture *fx = arg;
    if (err)
        fail_msg("%s\n%s", err->text, lx_policy_error_text(fx->policy));
    assert_true(defined);
    fx->results = json_deep_copy(results);
    fx->done = true;
}

static void wait_done(struct fixture *fx)
{
    assert_int_equal(lx_loop_run_until(fx->loop, &fx->done, 30000, NULL), 0);
    fx->done = false;
}

static int setup(void **state)
{
    struct fixture *fx = lx_alloc(sizeof *fx);
    struct lx_bundle *bundle = NULL;
    struct lx_err err;
    const struct lx_policy_opts opts = {
        .exe = self, .call_timeout_ms = 10000, .load_timeout_ms = 10000};
    assert_int_equal(lx_loop_new(&fx->loop, NULL), 0);
    if (lx_bundle_load(LX_SOURCE_DIR "/scripts", NULL, LX_SOURCE_DIR "/lua", &bundle, &err) ||
        lx_policy_new(fx->loop, bundle, &opts, NULL, on_ready, fx, &fx->policy, &err))
        fail_msg("%s", err.text);
    wait_done(fx);
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fx = *state;
    lx_policy_free(fx->policy);
    lx_loop_free(fx->loop);
    free(fx);
    return 0;
}

static json_t *read_json(const char *golden, const char *file)
{
    char *path = lx_strf(GOLDEN "/%s/%s", golden, file);
    struct lx_buf text = LX_BUF_INIT(1 << 20);
    json_t *value = NULL;
    struct lx_err err;
    if (lx_file_read(path, &text, &err) || lx_json_parse(lx_buf_str(&text), text.len, &value, &err))
        fail_msg("%s: %s", path, err.text);
    lx_buf_done(&text);
    free(path);
    return value;
}

static json_t *call(struct fixture *fx, const char *function, json_t *args)
{
    lx_policy_call(fx->policy, function, args, on_result, fx);
    json_decref(args);
    wait_done(fx);
    return lx_take(fx->results);
}

static json_t *make_env(const json_t *names)
{
    json_t *env = json_array();
    for (size_t i = 0; i < json_array_size(names); i++)
        json_array_append_new(
            env, json_pack("{s:O,s:s}", "name", json_array_get(names, i), "value", "x"));
    return env;
}

/* Checks and completes the manifest as the executor would for this task. */
static void check_rules(const char *golden, json_t *job, json_t *task, json_t *settings)
{
    const json_t *list = lx_json_arr(task, "containers");
    size_t n = json_array_size(list);
    bool single = lx_streq(lx_json_str(task, "layout", ""), "single-pod");
    struct lx_plan_container *containers = lx_alloc_array(n, sizeof *containers);
    json_t *command = json_pack("[s,s]", "sh", "-c"), *envs = json_array();
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(list, i);
        json_t *env = make_env(lx_json_arr(entry, "env_names"));
        json_array_append_new(envs, env);
        containers[i] = (struct lx_plan_container){.name = lx_json_str(entry, "name", NULL),
                                                   .init = single && i + 1 < n,
                                                   .command = command,
                                                   .env = env};
    }
    const struct lx_plan_spec spec = {
        .name = lx_json_str(lx_json_obj(task, "names"), "job", NULL),
        .ns = lx_json_str(settings, "namespace", "default"),
        .queue = lx_json_str(task, "queue", NULL),
        .job_id = lx_json_int(task, "id", 0),
        .executor = "executor-1",
        .policy_hash = "0",
        .deadline_s = lx_json_int(task, "deadline_seconds", 0),
        .containers = containers,
        .n_containers = n,
        .host_network_allowed = lx_json_bool(settings, "host_network", false),
        .allowed_volumes = lx_json_arr(settings, "additional_volumes"),
        .allowed_security_context = lx_json_obj(settings, "container_security_context"),
    };
    struct lx_err err;
    if (lx_plan_check(job, &spec, &err) || lx_plan_complete(job, &spec, &err))
        fail_msg("%s: %s", golden, err.text);
    json_decref(command);
    json_decref(envs);
    free(containers);
}

static void check_case(struct fixture *fx, const char *golden)
{
    json_t *task = read_json(golden, "task.json");
    json_t *settings = read_json(golden, "settings.json");
    json_t *plan = read_json(golden, "plan.json");
    json_t *results = call(fx, "job", json_pack("[O,O]", task, settings));
    json_t *job = json_array_get(results, 0);
    if (!json_equal(job, plan))
        fail_msg("%s: %s", golden, lx_json_text(job));
    check_rules(golden, job, task, settings);
    json_decref(results);
    json_decref(plan);
    json_decref(settings);
    json_decref(task);
}

static void test_every_golden_case(void **state)
{
    DIR *dir = opendir(GOLDEN);
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        check_case(*state, entry->d_name);
        n++;
    }
    closedir(dir);
    assert_true(n >= 10);
}

static void test_the_other_functions(void **state)
{
    struct fixture *fx = *state;
    json_t *task = read_json("defaults", "task.json");
    json_t *settings = read_json("defaults", "settings.json");
    json_t *job =
        json_pack("{s:i,s:s,s:i,s:s,s:s,s:[],s:[]}", "api", 1, "queue", "batches", "id", 42,
                  "repository", "github.com/acme/widgets", "commit", "0", "steps", "files");
    json_t *results = call(fx, "admit", json_pack("[o,O]", job, settings));
    assert_non_null(lx_json_path(results, "0.cost.memory"));
    json_decref(results);
    results = call(fx, "retry",
                   json_pack("[{s:s,s:i},O,O]", "class", "evicted", "attempt", 1, task, settings));
    assert_true(json_is_integer(lx_json_path(results, "0.delay")));
    json_decref(results);
    results =
        call(fx, "retry",
             json_pack("[{s:s,s:i},O,O]", "class", "exit-code", "attempt", 1, task, settings));
    assert_true(json_array_size(results) == 0 || json_is_null(json_array_get(results, 0)));
    json_decref(results);
    results = call(fx, "network", json_pack("[O]", settings));
    assert_true(json_is_array(json_array_get(results, 0)));
    json_decref(results);
    json_decref(task);
    json_decref(settings);
}

int main(int argc, char **argv)
{
    if (argc == 2 && lx_streq(argv[1], "policy-child"))
        return lx_policy_child_main(3);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_golden_case, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_other_functions, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
