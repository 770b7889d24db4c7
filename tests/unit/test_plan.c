#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lunexec/plan.h"
#include "lunexec/text.h"
#include "plan_refusals.h"

static const char *const good_manifest =
    "{'apiVersion':'batch/v1','kind':'Job','metadata':{'name':'job-1','annotations':{'a':'b'}},"
    "'spec':{'backoffLimit':0,'ttlSecondsAfterFinished':86400,'template':{"
    "'metadata':{'labels':{'lunexec.dev/network':'internet','team':'x'}},"
    "'spec':{'restartPolicy':'Never','activeDeadlineSeconds':1200,"
    "'automountServiceAccountToken':false,'enableServiceLinks':false,"
    "'initContainers':["
    "{'name':'setup-workspace','image':'i','volumeMounts':[{'name':'w','mountPath':'/job'}]},"
    "{'name':'step-0','image':'i','workingDir':'/job/"
    "repository','env':[{'name':'OWN','value':'1'}],"
    "'securityContext':{'capabilities':{'drop':['NET_RAW']}},"
    "'volumeMounts':[{'name':'w','mountPath':'/job'},{'name':'t','mountPath':'/tmp'}]}],"
    "'containers':[{'name':'main','image':'i',"
    "'volumeMounts':[{'name':'w','mountPath':'/job'}]}],"
    "'volumes':[{'name':'w','emptyDir':{'sizeLimit':'5Gi'}},{'name':'t','emptyDir':{}}]}}}}";

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct lx_err err;
    char *copy = lx_strdup(text);
    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    if (lx_json_parse(copy, strlen(copy), &value, &err))
        fail_msg("%s: %s", copy, err.text);
    free(copy);
    return value;
}

/* What the host expects of the manifest above. */
struct fixture {
    json_t *command, *args, *env;
    struct lx_plan_container containers[3];
    struct lx_plan_spec spec;
};

static int setup(void **state)
{
    struct fixture *fx = lx_alloc(sizeof *fx);
    fx->command = parse("['sh','-c']");
    fx->args = parse("['echo hello']");
    fx->env = parse("[{'name':'TOKEN','valueFrom':{'secretKeyRef':{'name':'s','key':'TOKEN'}}},"
                    "{'name':'X','value':'1'}]");
    fx->containers[0] = (struct lx_plan_container){
        .name = "setup-workspace", .init = true, .command = fx->command, .args = fx->args};
    fx->containers[1] = (struct lx_plan_container){.name = "step-0",
                                                   .init = true,
                                                   .command = fx->command,
                                                   .args = fx->args,
                                                   .working_dir = "/job/repository",
                                                   .env = fx->env};
    fx->containers[2] = (struct lx_plan_container){.name = "main", .command = fx->command};
    fx->spec = (struct lx_plan_spec){
        .name = "job-1",
        .ns = "jobs",
        .queue = "batches",
        .job_id = 42,
        .executor = "executor-1",
        .policy_hash = "0123456789abcdef",
        .frontend = "https://sourcegraph.example.com",
        .run = "00112233445566ff",
        .deadline_s = 1200,
        .containers = fx->containers,
        .n_containers = 3,
    };
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fx = *state;
    json_decref(fx->command);
    json_decref(fx->args);
    json_decref(fx->env);
    free(fx);
    return 0;
}

/* Sets the member at a dotted path; value NULL removes it, and a path that ends in "+" appends. */
static void set(json_t *job, const char *path, const char *value)
{
    char *parent_path = lx_strdup(path);
    char *dot = strrchr(parent_path, '.');
    json_t *parent = job;
    if (dot) {
        *dot = 0;
        parent = lx_json_path(job, parent_path);
    }
    const char *key = dot ? dot + 1 : parent_path;
    if (!parent)
        fail_msg("no %s", path);
    if (json_is_array(parent))
        assert_int_equal(json_array_append_new(parent, parse(value)), 0);
    else if (value)
        assert_int_equal(json_object_set_new(parent, key, parse(value)), 0);
    else
        assert_int_equal(json_object_del(parent, key), 0);
    free(parent_path);
}

static int check_with(const struct lx_plan_spec *spec, const char *path, const char *value,
                      struct lx_err *err)
{
    json_t *job = parse(good_manifest);
    set(job, path, value);
    int rc = lx_plan_check(job, spec, err);
    json_decref(job);
    return rc;
}

static void test_good_manifest_passes(void **state)
{
    struct fixture *fx = *state;
    struct lx_err err;
    json_t *job = parse(good_manifest);
    if (lx_plan_check(job, &fx->spec, &err))
        fail_msg("%s", err.text);
    json_decref(job);
}

/* ---- What the operator says ---- */

static struct lx_guardrails *guardrails(const char *text)
{
    struct lx_guardrails *parsed = NULL;
    struct lx_err err;
    char *json = lx_strdup(text);
    for (char *at = json; at && *at; at++)
        if (*at == '\'')
            *at = '"';
    if (lx_guardrails_parse(json, &parsed, &err))
        fail_msg("%s: %s", text, err.text);
    free(json);
    return parsed;
}

/* Checks the good manifest with one change under guardrails; `says` NULL: it passes. */
static void check_guarded(struct lx_plan_spec spec, const char *text, const char *path,
                          const char *value, const char *says)
{
    struct lx_guardrails *rails = guardrails(text);
    struct lx_err err = {.code = LX_OK};
    spec.guardrails = rails;
    int rc = check_with(&spec, path, value, &err);
    if (rc == 0 && says)
        fail_msg("%s: %s = %s passed", text, path, value);
    if (rc && (!says || !strstr(err.text, says)))
        fail_msg("%s: %s = %s: %s", text, path, value, err.text);
    lx_guardrails_free(rails);
}

static void test_guardrails_allow_by_name(void **state)
{
    const struct fixture *fx = *state;
    const char *host = "{'name':'h','hostPath':{'path':'/'}}";
    check_guarded(fx->spec, "", POD "volumes.+", host, "host-path: ");
    check_guarded(fx->spec, "{}", POD "volumes.+", host, "host-path: ");
    check_guarded(fx->spec, "{'allow':['host-path']}", POD "volumes.+", host, NULL);
    check_guarded(fx->spec, "{'allow':['host-path']}", POD "hostPID", "true", "host-namespaces: ");
    check_guarded(fx->spec, "{'allow':['privileged','host-namespaces']}", POD "hostPID", "true",
                  NULL);
}

static void test_guardrails_choose_images(void **state)
{
    const struct fixture *fx = *state;
    const char *path = POD "containers.0.image";
    const char *own = "{'images':['i','registry.example.com/*','sourcegraph/*','localhost/x']}";
    check_guarded(fx->spec, own, path, "'registry.example.com/a/b:1'", NULL);
    check_guarded(fx->spec, own, path, "'sourcegraph/scip-go:latest'", NULL);
    check_guarded(fx->spec, own, path, "'docker.io/sourcegraph/scip-go@sha256:00'", NULL);
    check_guarded(fx->spec, own, path, "'docker.io/library/i'", NULL);
    check_guarded(fx->spec, own, path, "'docker.io/i'", NULL);
    check_guarded(fx->spec, own, path, "'localhost/x'", NULL);
    check_guarded(fx->spec, own, path, "'i:latest'", "containers[0].image is \"i:latest\"");
    check_guarded(fx->spec, own, path, "'sourcegraph.evil.example/x'", "image-allowed: ");
    check_guarded(fx->spec, own, path, "'evil.example/registry.example.com/x'", "image-allowed: ");
    check_guarded(fx->spec, own, path, "'evil.example/sourcegraph/x'", "image-allowed: ");
    check_guarded(fx->spec, "{'images':['*']}", path, "'evil.example/x'", NULL);
    check_guarded(fx->spec, "{'images':['*.example/x','i']}", path, "'a.example/x'", NULL);
    check_guarded(fx->spec, "{'images':['alpine*','i']}", path, "'alpine:3'", NULL);
    check_guarded(fx->spec, "{'images':['alpine*','i']}", path, "'alpine.evil/x'", "image-allowed");
    check_guarded(fx->spec, own, path, "'EVIL/x'", "image-allowed: ");
    check_guarded(fx->spec, "{'images':['docker.io/*']}", path, "'EVIL/x'", "image-allowed: ");
    check_guarded(fx->spec, own, POD "volumes.+",
                  "{'name':'v','image':{'reference':'evil.example/x'}}",
                  POD "volumes[2].image.reference is \"evil.example/x\"");
    check_guarded(fx->spec, own, POD "volumes.+",
                  "{'name':'v','image':{'reference':'sourcegraph/x'}}", NULL);
    check_guarded(fx->spec, "{'images':[]}", path, "'i'", "initContainers[0].image");
}

static void test_guardrails_limit_resources(void **state)
{
    struct fixture *fx = *state;
    struct lx_plan_spec spec = fx->spec;
    const char *path = POD "containers.0.resources", *max = "{'max':{'memory':'16Gi','cpu':'2'}}";
    check_guarded(spec, max, path, "{'limits':{'memory':'16Gi','cpu':'2000m'}}",
                  "initContainers[0].resources.limits.memory is absent, expected 16Gi at most");
    json_t *job = parse(good_manifest);
    for (int i = 0; i < 3; i++) {
        json_t *container = lx_json_path(job, i == 0   ? POD "initContainers.0"
                                              : i == 1 ? POD "initContainers.1"
                                                       : POD "containers.0");
        json_object_set_new(container, "resources",
                            parse("{'limits':{'memory':'16384Mi','cpu':2},"
                                  "'requests':{'memory':'1Gi'}}"));
    }
    struct lx_guardrails *rails = guardrails(max);
    struct lx_err err;
    spec.guardrails = rails;
    if (lx_plan_check(job, &spec, &err))
        fail_msg("%s", err.text);
    set(job, POD "resources", "{'requests':{'cpu':'64'}}");
    assert_int_equal(lx_plan_check(job, &spec, &err), -1);
    assert_string_equal(err.text, "resource-ceiling: " POD "resources.requests.cpu is \"64\", "
                                  "expected 2 at most");
    set(job, POD "resources", "{'limits':{'cpu':'2'}}");
    assert_int_equal(lx_plan_check(job, &spec, &err), 0);
    set(job, POD "containers.0.resources.requests.memory", "'16.1Gi'");
    assert_int_equal(lx_plan_check(job, &spec, &err), -1);
    assert_string_equal(err.text,
                        "resource-ceiling: " POD "containers[0].resources.requests.memory "
                        "is \"16.1Gi\", expected 16Gi at most");
    set(job, POD "containers.0.resources.requests.memory", "'0.1000000000000000000000000000000Ei'");
    assert_int_equal(lx_plan_check(job, &spec, &err), -1);
    set(job, POD "containers.0.resources.requests.memory", "'much'");
    assert_int_equal(lx_plan_check(job, &spec, &err), -1);
    lx_guardrails_free(rails);
    json_decref(job);
}

static void test_bad_guardrails_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{", ""},
        {"[]", "expected a JSON object"},
        {"{\"alow\":[]}", "alow: no such member"},
        {"{\"allow\":\"host-path\"}", "allow: expected a list"},
        {"{\"allow\":[1]}", "allow: expected a list"},
        {"{\"allow\":[\"hostpath\"]}", "hostpath: there is no such rule"},
        {"{\"allow\":[\"job-name\"]}", "job-name: the executor cannot work without"},
        {"{\"images\":{}}", "images: expected a list"},
        {"{\"max\":[]}", "max: expected an object"},
        {"{\"max\":{\"memory\":\"16GB\"}}", "memory: not a quantity"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lx_guardrails *rails = NULL;
        struct lx_err err;
        assert_int_equal(lx_guardrails_parse(bad[i][0], &rails, &err), -1);
        assert_int_equal(err.code, LX_E_INVALID);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], err.text);
        assert_null(rails);
    }
    lx_guardrails_free(NULL);
}

#define N_REFUSALS (sizeof refusals / sizeof refusals[0])

static void test_each_rule_refuses(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 0; i < N_REFUSALS; i++) {
        const struct refusal *no = &refusals[i];
        struct lx_err err = {.code = LX_OK};
        if (check_with(&fx->spec, no->path, no->value, &err) == 0)
            fail_msg("%s = %s passed", no->path, no->value ? no->value : "(absent)");
        assert_int_equal(err.code, LX_E_REFUSED);
        char *start = lx_strf("%s: ", no->rule);
        if (!lx_starts_with(err.text, start) || !strstr(err.text, no->says))
            fail_msg("%s = %s: %s", no->path, no->value ? no->value : "(absent)", err.text);
        free(start);
    }
}

static void test_every_rule_has_a_refusal_and_a_reason(void **state)
{
    (void)state;
    for (size_t rule = 0; lx_plan_rule_name(rule); rule++) {
        /* these two do nothing without guardrails and have tests of their own */
        bool found = lx_streq(lx_plan_rule_name(rule), "image-allowed") ||
                     lx_streq(lx_plan_rule_name(rule), "resource-ceiling");
        for (size_t i = 0; i < N_REFUSALS; i++)
            found = found || lx_streq(refusals[i].rule, lx_plan_rule_name(rule));
        if (!found)
            fail_msg("no test for %s", lx_plan_rule_name(rule));
        assert_true(strlen(lx_plan_rule_reason(rule)) > 10);
    }
    assert_null(lx_plan_rule_name(1000));
    assert_null(lx_plan_rule_reason(1000));
}

/* What policies may well do. */
static void test_ordinary_changes_pass(void **state)
{
    struct fixture *fx = *state;
    static const struct {
        const char *path, *value;
    } changes[] = {
        {"metadata.namespace", "'jobs'"},
        {"metadata.namespace", "null"},
        {"metadata.labels", "{'kueue.x-k8s.io/queue-name':'q'}"},
        {"spec.suspend", "true"},
        {"spec.parallelism", "1"},
        {"spec.ttlSecondsAfterFinished", NULL},
        {POD "activeDeadlineSeconds", "60"},
        {POD "tolerations", "[{'operator':'Exists'}]"},
        {POD "runtimeClassName", "'gvisor'"},
        {POD "imagePullSecrets", "[{'name':'registry'}]"},
        {POD "hostUsers", "false"},
        {POD "shareProcessNamespace", "null"},
        {POD "terminationGracePeriodSeconds", "30"},
        {POD "securityContext", "{'sysctls':[{'name':'net.ipv4.tcp_syncookies','value':'1'}]}"},
        {POD "securityContext", "{'seLinuxOptions':{'level':'s0:c1','type':'container_t'}}"},
        {POD "containers.0.env", "[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'x'}}}]"},
        {POD "containers.0.env", "null"},
        {POD "containers.0.securityContext", "{'privileged':false,'capabilities':{'add':[]}}"},
        {POD "containers.0.ports", "[{'containerPort':80}]"},
        {POD "volumes.+", "{'name':'p','persistentVolumeClaim':{'claimName':'cache'}}"},
        {POD "volumes.+", "{'name':'c','configMap':{'name':'settings'}}"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct lx_err err;
        if (check_with(&fx->spec, changes[i].path, changes[i].value, &err))
            fail_msg("%s", err.text);
    }
}

static void test_settings_allow_more(void **state)
{
    struct fixture *fx = *state;
    struct lx_err err;
    const char *host = "{'name':'h','hostPath':{'path':'/data'}}";
    const char *secret = "{'name':'ca','secret':{'secretName':'ca'}}";
    const char *privileged = "{'privileged':true,'capabilities':{'add':['SYS_PTRACE']}}";
    char *list = lx_strf("[%s,%s]", host, secret);
    json_t *volumes = parse(list), *context = parse(privileged);
    struct lx_plan_spec spec = fx->spec;
    spec.host_network_allowed = true;
    spec.service_account_token_allowed = true;
    spec.allowed_volumes = volumes;
    spec.allowed_security_context = context;
    assert_int_equal(check_with(&spec, POD "hostNetwork", "true", &err), 0);
    assert_int_equal(check_with(&spec, POD "hostPID", "true", &err), -1);
    assert_int_equal(check_with(&spec, POD "automountServiceAccountToken", "true", &err), 0);
    assert_int_equal(check_with(&spec, POD "volumes.+", host, &err), 0);
    assert_int_equal(check_with(&spec, POD "volumes.+", secret, &err), 0);
    assert_int_equal(
        check_with(&spec, POD "volumes.+", "{'name':'h','hostPath':{'path':'/'}}", &err), -1);
    assert_int_equal(check_with(&spec, POD "containers.0.securityContext", privileged, &err), 0);
    assert_int_equal(check_with(&spec, POD "containers.0.securityContext",
                                "{'capabilities':{'add':['SYS_ADMIN']}}", &err),
                     -1);
    json_decref(volumes);
    json_decref(context);
    free(list);
}

static void test_anything_else_is_refused_without_harm(void **state)
{
    struct fixture *fx = *state;
    static const char *const manifests[] = {
        "null",
        "1",
        "'x'",
        "[]",
        "{}",
        "{'metadata':{},'spec':{'template':{'spec':{}}}}",
        "{'metadata':{},'spec':{'template':{'spec':{'containers':[{'volumeMounts':[{}]}]}}}}",
    };
    for (size_t i = 0; i < sizeof manifests / sizeof manifests[0]; i++) {
        struct lx_err err;
        json_t *job = parse(manifests[i]);
        assert_int_equal(lx_plan_check(job, &fx->spec, &err), -1);
        assert_int_equal(err.code, LX_E_REFUSED);
        json_decref(job);
    }
}

/* ---- Completion ---- */

static void check_json(json_t *job, const char *path, const char *expected)
{
    json_t *value = parse(expected);
    const json_t *found = lx_json_path(job, path);
    if (!found || !json_equal(found, value))
        fail_msg("%s", path);
    json_decref(value);
}

static const char *const labels =
    "{'app.kubernetes.io/managed-by':'lunexec','lunexec.dev/queue':'batches',"
    "'lunexec.dev/job-id':'42','lunexec.dev/executor':'%s'%s}";
static const char *const annotations =
    "{'lunexec.dev/executor-name':'executor-1','lunexec.dev/policy':'0123456789abcdef',"
    "'lunexec.dev/frontend':'https://sourcegraph.example.com',"
    "'lunexec.dev/run':'00112233445566ff'%s}";

static void check_formatted(json_t *job, const char *path, const char *format, const char *a,
                            const char *b)
{
    struct lx_buf text = LX_BUF_INIT(4096);
    for (const char *at = format; *at; at++) {
        if (at[0] == '%' && at[1] == 's') {
            lx_buf_adds(&text, a, NULL);
            a = b;
            at++;
        } else {
            lx_buf_addc(&text, *at, NULL);
        }
    }
    check_json(job, path, lx_buf_str(&text));
    lx_buf_done(&text);
}

static void test_completion_adds_what_the_host_owns(void **state)
{
    struct fixture *fx = *state;
    struct lx_err err;
    char executor[LX_EXECUTOR_LABEL_SIZE];
    json_t *job = parse(good_manifest);
    lx_executor_label("executor-1", executor);
    if (lx_plan_complete(job, &fx->spec, &err))
        fail_msg("%s", err.text);
    check_json(job, "metadata.namespace", "'jobs'");
    check_formatted(job, "metadata.labels", labels, executor, "");
    check_formatted(job, "spec.template.metadata.labels", labels, executor,
                    ",'lunexec.dev/network':'internet','team':'x'");
    check_formatted(job, "metadata.annotations", annotations, ",'a':'b'", "");
    check_formatted(job, "spec.template.metadata.annotations", annotations, "", "");
    check_json(job, POD "initContainers.1.command", "['sh','-c']");
    check_json(job, POD "initContainers.1.args", "['echo hello']");
    check_json(job, POD "initContainers.1.env",
               "[{'name':'TOKEN','valueFrom':{'secretKeyRef':{'name':'s','key':'TOKEN'}}},"
               "{'name':'X','value':'1'},{'name':'OWN','value':'1'}]");
    check_json(job, POD "containers.0.command", "['sh','-c']");
    assert_null(lx_json_path(job, POD "containers.0.args"));
    assert_null(lx_json_path(job, POD "containers.0.env"));
    json_decref(job);
}

static void test_completion_keeps_the_hosts_values_apart(void **state)
{
    struct fixture *fx = *state;
    json_t *first = parse(good_manifest), *second = parse(good_manifest);
    assert_int_equal(lx_plan_complete(first, &fx->spec, NULL), 0);
    set(first, POD "initContainers.1.args.+", "'changed'");
    set(first, POD "initContainers.1.env.0.name", "'CHANGED'");
    assert_int_equal(lx_plan_complete(second, &fx->spec, NULL), 0);
    check_json(second, POD "initContainers.1.args", "['echo hello']");
    check_json(second, POD "initContainers.1.env.0.name", "'TOKEN'");
    json_decref(first);
    json_decref(second);
}

static void test_completion_of_something_else_fails(void **state)
{
    struct fixture *fx = *state;
    struct lx_err err;
    json_t *job = parse("{'metadata':{},'spec':{'template':{'spec':{'containers':[]}}}}");
    json_t *none = parse("{}");
    assert_int_equal(lx_plan_complete(job, &fx->spec, &err), -1);
    assert_int_equal(lx_plan_complete(none, &fx->spec, &err), -1);
    json_decref(job);
    json_decref(none);
}

static void test_executor_label_is_stable(void **state)
{
    (void)state;
    char a[LX_EXECUTOR_LABEL_SIZE], b[LX_EXECUTOR_LABEL_SIZE];
    lx_executor_label("executor-1", a);
    lx_executor_label("executor-2", b);
    assert_int_equal(strspn(a, "0123456789abcdef"), LX_EXECUTOR_LABEL_SIZE - 1);
    assert_string_not_equal(a, b);
    lx_executor_label("", a);
    assert_string_equal(a, "cbf29ce484222325");
    lx_executor_label("a", a);
    assert_string_equal(a, "af63dc4c8601ec8c");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_good_manifest_passes),
        TEST(test_each_rule_refuses),
        TEST(test_every_rule_has_a_refusal_and_a_reason),
        TEST(test_ordinary_changes_pass),
        TEST(test_settings_allow_more),
        TEST(test_guardrails_allow_by_name),
        TEST(test_guardrails_choose_images),
        TEST(test_guardrails_limit_resources),
        TEST(test_bad_guardrails_are_refused),
        TEST(test_anything_else_is_refused_without_harm),
        TEST(test_completion_adds_what_the_host_owns),
        TEST(test_completion_keeps_the_hosts_values_apart),
        TEST(test_completion_of_something_else_fails),
        TEST(test_executor_label_is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
