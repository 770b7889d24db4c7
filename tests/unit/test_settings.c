/*
 * Reading the settings: defaults, every problem in one line, what the policy gets.
 */
#include "app/settings.h"

#include "lunexec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PROBLEMS_MAX 65536
#define BASE                                                                                       \
    "EXECUTOR_FRONTEND_URL=http://frontend:30080", "EXECUTOR_FRONTEND_PASSWORD=hunter2hunter2",    \
        "EXECUTOR_QUEUE_NAME=batches"

/* Reads the NULL-terminated environment; the problems' text (free()), "" if there were none. */
static char *read_env(const char *const *env, struct lx_settings *settings)
{
    union {
        const char *const *in;
        char *const *out;
    } list = {.in = env};
    struct lx_buf problems = LX_BUF_INIT(PROBLEMS_MAX);
    int result = lx_settings_read(settings, &(struct lx_env){list.out, "lunexec"}, &problems);
    assert_int_equal(result, problems.len > 0 ? -1 : 0);
    return lx_buf_take(&problems);
}

static void defaults_are_the_originals(void **state)
{
    (void)state;
    static const char *const env[] = {BASE, NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_string_equal(problems, "");
    assert_int_equal(s.poll_interval_ms, 1000);
    assert_int_equal(s.max_jobs, 1);
    assert_int_equal(s.max_runtime_ms, 30 * 60 * 1000);
    assert_int_equal(s.job_deadline_s, 1200);
    assert_int_equal(s.run_as_user, -1);
    assert_int_equal(s.fs_group, 1000);
    assert_string_equal(s.ns, "default");
    assert_string_equal(s.limit_memory, "12Gi");
    assert_string_equal(s.volume_size, "5Gi");
    assert_string_equal(s.step_image, "sourcegraph/batcheshelper:insiders");
    assert_int_equal(s.log_limit_step, 64 * 1024 * 1024);
    lx_settings_done(&s);
}

static void empty_counts_as_unset(void **state)
{
    (void)state;
    static const char *const env[] = {BASE,
                                      "EXECUTOR_QUEUE_NAMES=",
                                      "KUBERNETES_RUN_AS_USER=",
                                      "EXECUTOR_MAXIMUM_NUM_JOBS=",
                                      "KUBERNETES_JOB_ANNOTATIONS=",
                                      NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_string_equal(problems, "");
    assert_int_equal(s.max_jobs, 1);
    assert_null(s.job_annotations);
    lx_settings_done(&s);
}

static void root_is_not_unset(void **state)
{
    (void)state;
    static const char *const env[] = {BASE, "KUBERNETES_RUN_AS_USER=0",
                                      "KUBERNETES_RUN_AS_GROUP=-1", NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_string_equal(problems, "");
    lx_auto(json) json_t *policy = lx_settings_for_policy(&s);
    assert_int_equal(lx_json_int(policy, "run_as_user", -7), 0);
    assert_null(json_object_get(policy, "run_as_group"));
    assert_null(json_object_get(policy, "password"));
    lx_settings_done(&s);
}

static void step_image_has_two_names(void **state)
{
    (void)state;
    static const char *const old_only[] = {BASE, "KUBERNETES_SINGLE_JOB_STEP_IMAGE=old:1", NULL};
    static const char *const both[] = {BASE, "KUBERNETES_SINGLE_JOB_STEP_IMAGE=old:1",
                                       "KUBERNETES_JOB_STEP_IMAGE=new:2", NULL};
    struct lx_settings s;
    lx_auto(str) char *first = read_env(old_only, &s);
    assert_string_equal(first, "");
    assert_string_equal(s.step_image, "old:1");
    lx_settings_done(&s);
    lx_auto(str) char *second = read_env(both, &s);
    assert_string_equal(second, "");
    assert_string_equal(s.step_image, "new:2");
    lx_settings_done(&s);
}

static void values_reach_the_policy_exactly(void **state)
{
    (void)state;
    static const char *const env[] = {BASE, "EXECUTOR_KUBERNETES_NODE_SELECTOR=disk=ssd,zone=a",
                                      "EXECUTOR_KUBERNETES_NODE_TOLERATIONS=[{\"key\":\"k\","
                                      "\"tolerationSeconds\":9007199254740993}]",
                                      "KUBERNETES_IMAGE_PULL_SECRETS=one,two", NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_string_equal(problems, "");
    lx_auto(json) json_t *policy = lx_settings_for_policy(&s);
    assert_string_equal(json_string_value(lx_json_path(policy, "node_selector.zone")), "a");
    assert_true(json_integer_value(lx_json_path(policy, "tolerations.0.tolerationSeconds")) ==
                INT64_C(9007199254740993));
    assert_string_equal(json_string_value(lx_json_path(policy, "image_pull_secrets.1")), "two");
    lx_settings_done(&s);
}

/* One row: a setting and words of the one line it must cause. */
static void bad_values_get_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *set, *words;
    } rows[] = {
        {"EXECUTOR_MAXIMUM_NUM_JOBS=ten", "invalid EXECUTOR_MAXIMUM_NUM_JOBS \"ten\""},
        {"EXECUTOR_MAXIMUM_NUM_JOBS=0", "must be from 1"},
        {"EXECUTOR_QUEUE_POLL_INTERVAL=5", "invalid EXECUTOR_QUEUE_POLL_INTERVAL \"5\""},
        {"KUBERNETES_KEEP_JOBS=yes", "must be true or false"},
        {"KUBERNETES_RUN_AS_USER=-2", "invalid KUBERNETES_RUN_AS_USER \"-2\""},
        {"EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU=2 cores", "must be a Kubernetes quantity"},
        {"EXECUTOR_KUBERNETES_NODE_SELECTOR=a", "key=value pairs"},
        {"EXECUTOR_KUBERNETES_NODE_SELECTOR=a=b=c", "key=value pairs"},
        {"EXECUTOR_KUBERNETES_NODE_TOLERATIONS=[{", "failed to parse"},
        {"EXECUTOR_KUBERNETES_NODE_TOLERATIONS={}", "must be a JSON array"},
        {"EXECUTOR_KUBERNETES_POD_AFFINITY=[{}]", "must contain a topologyKey"},
        {"KUBERNETES_JOB_ANNOTATIONS={\"a\":1}", "\"a\" must be a string"},
        {"KUBERNETES_ADDITIONAL_JOB_VOLUMES=x", "invalid KUBERNETES_ADDITIONAL_JOB_VOLUMES \"x\""},
        {"KUBERNETES_JOB_VOLUME_TYPE=hostPath", "must be one of emptyDir|pvc"},
        {"KUBERNETES_IMAGE_PULL_POLICY=Sometimes", "must be one of"},
        {"EXECUTOR_USE_FIRECRACKER=true", "without Firecracker"},
        {"LUNEXEC_LOG_LIMIT_STEP=64Q", "must be a number of bytes"},
        {"SRC_LOG_LEVEL=loud", "invalid SRC_LOG_LEVEL \"loud\""},
        {"KUBERNETES_IMAGE_PULL_SECRETS=a,\xff", "must be UTF-8"},
        {"EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU=1e++2", "must be a Kubernetes quantity"},
        {"LUNEXEC_GUARDRAILS={\n\"allow\": [\"nothing\"]}", "invalid LUNEXEC_GUARDRAILS \"{ "},
        {"LUNEXEC_MASK_PATTERNS=a\n{", "invalid LUNEXEC_MASK_PATTERNS"},
        {"LUNEXEC_LISTEN=6060", "invalid LUNEXEC_LISTEN \"6060\": must be host:port, :port or off"},
        {"LUNEXEC_LISTEN=:65536", "invalid LUNEXEC_LISTEN \":65536\""},
        {"EXECUTOR_QUEUE_NAMES=batches", "both EXECUTOR_QUEUE_NAME and EXECUTOR_QUEUE_NAMES"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const env[] = {BASE, rows[i].set, NULL};
        struct lx_settings s;
        lx_auto(str) char *problems = read_env(env, &s);
        if (!strstr(problems, rows[i].words))
            fail_msg("%s gave \"%s\", expected \"%s\"", rows[i].set, problems, rows[i].words);
        assert_ptr_equal(strchr(problems, '\n'), problems + strlen(problems) - 1);
        lx_settings_done(&s);
    }
}

static void a_long_value_leaves_room_for_what_is_wrong(void **state)
{
    (void)state;
    char text[4096] = "KUBERNETES_JOB_ANNOTATIONS={\"\xc3\xa4";
    memset(text + strlen(text), 'x', 3000);
    const char *const env[] = {BASE, text, NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_non_null(strstr(problems, "xxx...\": failed to parse"));
    lx_settings_done(&s);
}

static void older_names_are_read_when_the_newer_is_unset(void **state)
{
    (void)state;
    static const char *const older[] = {BASE,
                                        "EXECUTOR_JOB_NUM_CPUS=",
                                        "EXECUTOR_FIRECRACKER_NUM_CPUS=7",
                                        "EXECUTOR_FIRECRACKER_MEMORY=3G",
                                        "TMPDIR=/var/tmp",
                                        NULL};
    static const char *const both[] = {BASE, "EXECUTOR_JOB_NUM_CPUS=2",
                                       "EXECUTOR_FIRECRACKER_NUM_CPUS=many", NULL};
    struct lx_settings s;
    lx_auto(str) char *first = read_env(older, &s);
    assert_string_equal(first, "");
    assert_int_equal(s.job_num_cpus, 7);
    assert_string_equal(s.job_memory, "3G");
    assert_string_equal(s.spool_dir, "/var/tmp");
    lx_settings_done(&s);
    lx_auto(str) char *second = read_env(both, &s);
    assert_string_equal(second, "");
    assert_int_equal(s.job_num_cpus, 2);
    lx_settings_done(&s);
}

static void variables_of_the_program_go_first(void **state)
{
    (void)state;
    static const char *const env[] = {BASE,
                                      "EXECUTOR_MAXIMUM_NUM_JOBS=2",
                                      "EXECUTOR_MAXIMUM_NUM_JOBS_lunexec=3",
                                      "EXECUTOR_KUBERNETES_NAMESPACE=jobs",
                                      "EXECUTOR_KUBERNETES_NAMESPACE_lunexec=",
                                      "EXECUTOR_KUBERNETES_NAMESPACE_other=x",
                                      NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_string_equal(problems, "");
    assert_int_equal(s.max_jobs, 3);
    assert_string_equal(s.ns, "jobs");
    lx_settings_done(&s);
}

static void queues_are_sorted_each_once(void **state)
{
    (void)state;
    static const char *const env[] = {"EXECUTOR_FRONTEND_URL=http://frontend:30080",
                                      "EXECUTOR_FRONTEND_PASSWORD=hunter2hunter2",
                                      "EXECUTOR_QUEUE_NAMES=codeintel,batches,codeintel", NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_string_equal(problems, "");
    assert_int_equal(lx_strv_len(s.queue_names), 2);
    assert_string_equal(s.queue_names[0], "batches");
    assert_string_equal(s.queue_names[1], "codeintel");
    lx_settings_done(&s);
}

static void the_layout_follows_from_two_settings(void **state)
{
    (void)state;
    static const struct {
        const char *single_pod, *claim;
        bool shared;
    } rows[] = {
        {"", "", false},     {"", "pvc", true},      {"true", "", false},
        {"1", "pvc", false}, {"false", "pvc", true}, {"false", "", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lx_auto(str) char *single = lx_strf("KUBERNETES_SINGLE_JOB_POD=%s", rows[i].single_pod);
        lx_auto(str) char *claim =
            lx_strf("EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME=%s", rows[i].claim);
        const char *const env[] = {BASE, single, claim, NULL};
        struct lx_settings s;
        lx_auto(str) char *problems = read_env(env, &s);
        assert_string_equal(problems, "");
        assert_int_equal(s.shared_volume, rows[i].shared);
        assert_string_equal(s.claim_name, *rows[i].claim ? rows[i].claim : "sg-executor-pvc");
        lx_settings_done(&s);
    }
}

static void near_misses_are_told_and_service_links_are_not(void **state)
{
    (void)state;
    char *env[] = {(char[]){"KUBERNETES_KEEP_JOB=true"},
                   (char[]){"EXECUTOR_KUBERNETES_JOB_DEADLINE=1"},
                   (char[]){"EXECUTOR_QUEUE_NAME_lunexec=batches"},
                   (char[]){"EXECUTOR_PORT=tcp://10.0.0.1:6060"},
                   (char[]){"EXECUTOR_BATCHES_SERVICE_PORT_HTTP_DEBUG=6060"},
                   (char[]){"EXECUTOR_BATCHES_PORT_6060_TCP_PROTO=tcp"},
                   (char[]){"LUNEXEC=/usr/bin/lunexec"},
                   (char[]){"EXECUTOR_KUBERNETES_SOMETHING_ELSE=1"},
                   NULL};
    struct lx_buf warnings = LX_BUF_INIT(PROBLEMS_MAX);
    lx_settings_warnings(&(struct lx_env){env, "lunexec"}, &warnings);
    assert_string_equal(lx_buf_str(&warnings),
                        "KUBERNETES_KEEP_JOB is not a setting and is ignored: did you mean "
                        "KUBERNETES_KEEP_JOBS?\n"
                        "EXECUTOR_KUBERNETES_JOB_DEADLINE is not a setting and is ignored: did you "
                        "mean KUBERNETES_JOB_DEADLINE?\n");
    lx_buf_done(&warnings);
}

static void all_problems_are_told_together(void **state)
{
    (void)state;
    static const char *const env[] = {"EXECUTOR_FRONTEND_URL=frontend", "EXECUTOR_QUEUE_NAME=batch",
                                      "KUBERNETES_JOB_DEADLINE=soon", NULL};
    struct lx_settings s;
    lx_auto(str) char *problems = read_env(env, &s);
    assert_non_null(strstr(problems, "EXECUTOR_FRONTEND_URL \"frontend\""));
    assert_non_null(strstr(problems, "scheme://host"));
    assert_non_null(strstr(problems, "EXECUTOR_FRONTEND_PASSWORD is not set"));
    assert_non_null(strstr(problems, "EXECUTOR_QUEUE_NAME \"batch\""));
    assert_non_null(strstr(problems, "KUBERNETES_JOB_DEADLINE \"soon\""));
    lx_settings_done(&s);
}

static void documented(const struct lx_setting *setting, void *arg)
{
    assert_non_null(strstr(lx_buf_str(arg), setting->name));
    assert_int_equal(setting->secret, lx_streq(setting->name, "EXECUTOR_FRONTEND_PASSWORD") ||
                                          lx_streq(setting->name, "EXECUTOR_DOCKER_AUTH_CONFIG"));
}

static void the_password_is_never_shown(void **state)
{
    (void)state;
    struct lx_buf help = LX_BUF_INIT(1 << 20);
    assert_int_equal(lx_settings_help(&help, true, NULL), 0);
    lx_settings_each(documented, &help);
    lx_buf_done(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_originals),
        cmocka_unit_test(empty_counts_as_unset),
        cmocka_unit_test(root_is_not_unset),
        cmocka_unit_test(step_image_has_two_names),
        cmocka_unit_test(values_reach_the_policy_exactly),
        cmocka_unit_test(bad_values_get_one_line),
        cmocka_unit_test(a_long_value_leaves_room_for_what_is_wrong),
        cmocka_unit_test(older_names_are_read_when_the_newer_is_unset),
        cmocka_unit_test(variables_of_the_program_go_first),
        cmocka_unit_test(queues_are_sorted_each_once),
        cmocka_unit_test(the_layout_follows_from_two_settings),
        cmocka_unit_test(near_misses_are_told_and_service_links_are_not),
        cmocka_unit_test(all_problems_are_told_together),
        cmocka_unit_test(the_password_is_never_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
