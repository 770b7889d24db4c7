/*
 * Names and objects of a job, in both layouts.
 */
#include "job/objects.h"
#include "job/workload.h"

#include "lunexec/text.h"

#include "unit.h"

#include <string.h>

#define S(text) ((char *)(uintptr_t)(text))

static struct lx_job job_with(struct lx_job_step *steps, size_t n)
{
    return (struct lx_job){
        .id = 42,
        .queue = S("codeintel"),
        .uid = S("42-codeintel"),
        .token = S("t"),
        .repository = S("r"),
        .repository_dir = S(""),
        .commit = S("c"),
        .steps = steps,
        .n_steps = n,
    };
}

static struct lx_workload *step_of(const struct lx_job *job, size_t step)
{
    struct lx_workload *workload = NULL;
    struct lx_err err;
    if (lx_workload_new_step(job, step, 1, &workload, &err) < 0)
        fail_msg("%s", err.text);
    return workload;
}

static void names_of_steps_fit_a_label(void **state)
{
    (void)state;
    struct lx_job_step steps[] = {
        {.key = S("step.0.run"), .image = S("i"), .dir = S(".")},
        {.key = S("pre-index.000000000000000000000000000001"), .image = S("i"), .dir = S(".")},
        {.key = S("pre-index.000000000000000000000000000002"), .image = S("i"), .dir = S(".")}};
    struct lx_job job = job_with(steps, 3);
    lx_auto(workload) struct lx_workload *plain = step_of(&job, 0);
    lx_auto(workload) struct lx_workload *first = step_of(&job, 1);
    lx_auto(workload) struct lx_workload *second = step_of(&job, 2);
    assert_string_equal(plain->job_name, "sg-executor-job-codeintel-42-step.kubernetes.step.0.run");
    assert_int_equal(strlen(first->job_name), 63);
    assert_string_not_equal(first->job_name, second->job_name);
    lx_auto(str) char *directory = lx_workload_directory(&job);
    assert_string_equal(directory, "job-42-codeintel");
}

static char *order_of(const struct lx_list *objects)
{
    char *text = lx_strdup("");
    lx_list_each (it, objects) {
        struct lx_object *object = lx_container_of(it, struct lx_object, link);
        char *longer = lx_strf("%s%s, ", text, object->what);
        free(text);
        text = longer;
    }
    return text;
}

static void objects_are_made_in_order_and_jobs_removed_first(void **state)
{
    (void)state;
    lx_auto(json) json_t *auth =
        json_pack("{s:{s:{s:s}}}", "auths", "registry.example.com", "auth", "dTpw");
    struct lx_job_step step = {.key = S("a"), .image = S("i"), .dir = S(".")};
    struct lx_job_file file = {.path = S("f"), .content = S("\0"), .content_len = 1};
    struct lx_job job = job_with(&step, 1);
    job.files = &file;
    job.n_files = 1;
    job.docker_auth = auth;
    struct lx_executor_opts opts = {
        .frontend_url = "http://h", .executor_name = "ex", .step_image = "helper"};
    lx_auto(workload) struct lx_workload *workload = NULL;
    struct lx_err err;
    assert_int_equal(lx_workload_new(&opts, &job, 1, &workload, &err), 0);
    struct lx_list objects;
    lx_list_init(&objects);
    lx_objects_add(&objects, workload, true);
    lx_auto(str) char *order = order_of(&objects);
    assert_string_equal(order, "job secret, image pull secret, job volume, job, job files, ");

    assert_null(lx_objects_leftover(&objects));
    struct lx_object *object;
    while ((object = lx_objects_next(&objects)))
        object->made = true;
    object = lx_objects_leftover(&objects);
    assert_string_equal(object->name, "sg-executor-job-codeintel-42");
    size_t n = 0;
    for (; (object = lx_objects_leftover(&objects)); n++)
        object->gone = true;
    assert_int_equal(n, 5);
    lx_objects_free(&objects);
}

/* The original's role for this layout has no rights on Secrets. */
static void a_step_on_a_shared_volume_needs_its_job_only(void **state)
{
    (void)state;
    struct lx_job_secret secret = {.value = S("s3cr3t"), .replacement = S("x")};
    char *env[] = {S("A=s3cr3t"), NULL};
    struct lx_job_step step = {.key = S("a"), .image = S("i"), .dir = S("."), .env = env};
    struct lx_job job = job_with(&step, 1);
    job.secrets = &secret;
    job.n_secrets = 1;
    lx_auto(workload) struct lx_workload *workload = step_of(&job, 0);
    struct lx_list objects;
    lx_list_init(&objects);
    lx_objects_add(&objects, workload, false);
    lx_auto(str) char *order = order_of(&objects);
    assert_string_equal(order, "job, ");
    lx_objects_free(&objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_steps_fit_a_label),
        cmocka_unit_test(objects_are_made_in_order_and_jobs_removed_first),
        cmocka_unit_test(a_step_on_a_shared_volume_needs_its_job_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
