#include "local/cluster.h"
#include "unit.h"

#include <string.h>

static const char good_job[] =
    "{'metadata':{'name':'sg-executor-job-batches-1','labels':{'a':'b'}},'spec':{'template':{'spec'"
    ":{"
    "'restartPolicy':'Never','activeDeadlineSeconds':1200,"
    "'volumes':[{'name':'job-data','emptyDir':{}}],"
    "'initContainers':[{'name':'setup','image':'i','command':['sh'],'args':['-c'],"
    "'env':[{'name':'A','value':'1'}],'volumeMounts':[{'name':'job-data','mountPath':'/job'}]}],"
    "'containers':[{'name':'main','image':'i'}]}}}}";

static json_t *parse(const char *text)
{
    lx_auto(str) char *json = lx_strdup(text);
    for (char *at = json; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

/* The good job with `path` replaced by `value` (JSON with single quotes; "" deletes); the text of
 * the refusal, "" when it is accepted. */
static const char *refusal(const char *parent, const char *key, const char *value)
{
    static struct lx_err err;
    lx_auto(json) json_t *job = parse(good_job);
    json_t *at = *parent ? lx_json_path(job, parent) : job;
    assert_non_null(at);
    if (*value)
        json_object_set_new(at, key, parse(value));
    else
        json_object_del(at, key);
    memset(&err, 0, sizeof err);
    return lx_cluster_check(LX_KIND_JOB, job, &err) ? err.text : "";
}

#define POD "spec.template.spec"

static void a_good_job_is_accepted(void **state)
{
    (void)state;
    lx_auto(json) json_t *job = parse(good_job);
    assert_int_equal(lx_cluster_check(LX_KIND_JOB, job, NULL), 0);
}

static void names_are_checked(void **state)
{
    (void)state;
    assert_non_null(strstr(refusal("metadata", "name", ""), "metadata.name"));
    lx_auto(json) json_t *job = parse(good_job);
    json_t *meta = json_object_get(job, "metadata");
    json_object_set_new(meta, "name", json_string("Upper"));
    assert_int_equal(lx_cluster_check(LX_KIND_JOB, job, NULL), -1);
    json_object_set_new(meta, "name", json_string("ends-with-"));
    assert_int_equal(lx_cluster_check(LX_KIND_JOB, job, NULL), -1);
    json_object_set_new(
        meta, "name",
        json_string("a1234567890123456789012345678901234567890123456789012345678901"));
    assert_int_equal(lx_cluster_check(LX_KIND_JOB, job, NULL), 0);
    json_object_set_new(
        meta, "name",
        json_string("a12345678901234567890123456789012345678901234567890123456789012"
                    "3"));
    assert_int_equal(lx_cluster_check(LX_KIND_JOB, job, NULL), -1);
}

static void labels_are_checked(void **state)
{
    (void)state;
    assert_string_equal(refusal("metadata", "labels", "{'a':''}"), "");
    assert_non_null(strstr(refusal("metadata", "labels", "{'a':'with space'}"), "labels"));
    assert_non_null(strstr(refusal("metadata", "labels", "{'a':1}"), "labels"));
}

static void what_a_pod_needs(void **state)
{
    (void)state;
    assert_non_null(strstr(refusal(POD, "containers", "[]"), "containers: Required"));
    assert_non_null(strstr(refusal(POD, "restartPolicy", ""), "restartPolicy"));
    assert_non_null(strstr(refusal(POD, "activeDeadlineSeconds", "0"), "activeDeadlineSeconds"));
    assert_non_null(strstr(refusal(POD, "containers", "[{'name':'main'}]"), "image: Required"));
    assert_non_null(strstr(refusal(POD, "containers", "[{'name':'a.b','image':'i'}]"), ".name"));
    assert_non_null(
        strstr(refusal(POD, "containers", "[{'name':'setup','image':'i'}]"), "Duplicate"));
}

static void references_must_exist(void **state)
{
    (void)state;
    assert_non_null(strstr(refusal(POD, "volumes", "[]"), "volumeMounts[0].name: Not found"));
}

static void empty_affinity_terms_are_refused(void **state)
{
    (void)state;
    assert_non_null(
        strstr(refusal(POD, "affinity",
                       "{'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{}]}}"),
               "topologyKey"));
}

static void a_secret_holds_strings(void **state)
{
    (void)state;
    lx_auto(json) json_t *good = parse("{'metadata':{'name':'x'},'stringData':{'TOKEN':'t'}}");
    lx_auto(json) json_t *bad = parse("{'metadata':{'name':'x'},'stringData':{'TOKEN':1}}");
    assert_int_equal(lx_cluster_check(LX_KIND_SECRET, good, NULL), 0);
    assert_int_equal(lx_cluster_check(LX_KIND_SECRET, bad, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_job_is_accepted),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(labels_are_checked),
        cmocka_unit_test(what_a_pod_needs),
        cmocka_unit_test(references_must_exist),
        cmocka_unit_test(empty_affinity_terms_are_refused),
        cmocka_unit_test(a_secret_holds_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
