/*
 * Memory that secrets were in is overwritten before it is given back: free() is wrapped, and looks.
 */
#include "app/settings.h"
#include "lunexec/creds.h"
#include "lunexec/file.h"
#include "lunexec/kube.h"
#include "lunexec/mask.h"
#include "lunexec/queue.h"
#include "lunexec/text.h"

#include "unit.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>

#define SECRET "s3cr3t-s3cr3t"
#define SECRET_BASE64 "czNjcjN0LXMzY3IzdA=="

static unsigned frees, leaks;

void __real_free(void *memory); // NOLINT: the linker's name
void __wrap_free(void *memory); // NOLINT

void __wrap_free(void *memory) // NOLINT
{
    size_t size = memory ? malloc_usable_size(memory) : 0;
    frees++;
    leaks += memory && memmem(memory, size, SECRET, strlen(SECRET));
    leaks += memory && memmem(memory, size, SECRET_BASE64, 18);
    __real_free(memory);
}

static int setup(void **state)
{
    (void)state;
    frees = leaks = 0;
    return 0;
}

/* What is freed by this file itself. */
static void release(char *text)
{
    lx_secret_free(text);
}

static void expect_wiped(void)
{
    assert_true(frees > 0);
    assert_int_equal(leaks, 0);
}

static void the_wrapper_sees_what_is_not_wiped(void **state)
{
    (void)state;
    free(lx_strdup("a " SECRET));
    assert_int_equal(leaks, 1);
    struct lx_buf plain = LX_BUF_INIT(100);
    assert_int_equal(lx_buf_adds(&plain, SECRET, NULL), 0);
    lx_buf_done(&plain);
    assert_int_equal(leaks, 2);
}

static void buffers_are_wiped_as_they_grow_shrink_and_end(void **state)
{
    (void)state;
    struct lx_buf buf = LX_BUF_SECRET(10000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(lx_buf_adds(&buf, SECRET, NULL), 0);
    assert_int_equal(buf.len, 100 * strlen(SECRET));
    lx_buf_consume(&buf, buf.len - 1);
    assert_null(memmem(buf.data, buf.cap, SECRET, strlen(SECRET)));
    assert_int_equal(lx_buf_adds(&buf, SECRET, NULL), 0);
    lx_buf_reset(&buf);
    assert_null(memmem(buf.data, buf.cap, SECRET, strlen(SECRET)));
    assert_int_equal(lx_buf_adds(&buf, SECRET, NULL), 0);
    lx_buf_done(&buf);
    assert_int_equal(lx_buf_adds(&buf, SECRET, NULL), 0);
    assert_true(buf.secret);
    release(lx_buf_take(&buf));
    assert_true(buf.secret && buf.max == 10000);
    expect_wiped();
}

static void json_is_wiped(void **state)
{
    (void)state;
    static const char text[] = "{\"" SECRET "\": [\"" SECRET "\"], \"b\": {\"c\": \"" SECRET "\"}}";
    json_t *value = NULL;
    assert_int_equal(lx_json_parse(text, strlen(text), &value, NULL), 0);
    release(lx_json_text(value));
    json_object_set_new(value, "b", json_string("other"));
    json_decref(value);
    expect_wiped();
}

static void a_job_is_wiped(void **state)
{
    (void)state;
    static const char text[] =
        "{\"version\": 2, \"id\": 1, \"token\": \"" SECRET "\", \"files\": {\"a\": {\"content\": "
        "\"" SECRET_BASE64 "\"}}, \"dockerSteps\": [{\"key\": \"k\", \"env\": [\"A=" SECRET "\"]}],"
        "\"redactedValues\": {\"" SECRET "\": \"S\"}, \"dockerAuthConfig\": {\"auths\": {\"r\": "
        "{\"auth\": \"" SECRET "\"}}}}";
    json_t *payload = NULL;
    struct lx_job *job = NULL;
    assert_int_equal(lx_json_parse(text, strlen(text), &payload, NULL), 0);
    assert_int_equal(lx_job_parse(payload, "batches", &job, NULL), 0);
    json_decref(payload);
    assert_string_equal(job->token, SECRET);
    assert_string_equal(job->files[0].content, SECRET);
    lx_job_free(job);
    expect_wiped();
}

static void a_mask_is_wiped(void **state)
{
    (void)state;
    const struct lx_secret secret = {SECRET, "S"};
    struct lx_mask *mask = NULL;
    assert_int_equal(lx_mask_new(&secret, 1, &mask, NULL, NULL), 0);
    lx_mask_free(mask);
    expect_wiped();
}

static void settings_and_the_environment_are_wiped(void **state)
{
    (void)state;
    char url[] = "EXECUTOR_FRONTEND_URL=http://u:" SECRET "@h",
         queue[] = "EXECUTOR_QUEUE_NAME=batches";
    char own[] = "EXECUTOR_FRONTEND_PASSWORD_lunexec=" SECRET;
    char password[] = "EXECUTOR_FRONTEND_PASSWORD=" SECRET;
    char *vars[] = {url, queue, own, password, NULL};
    const struct lx_env env = {vars, "lunexec"};
    struct lx_settings settings;
    struct lx_buf problems = LX_BUF_INIT(10000);
    assert_int_equal(lx_settings_read(&settings, &env, &problems), 0);
    lx_settings_scrub(&env);
    assert_string_equal(own, "EXECUTOR_FRONTEND_PASSWORD_lunexec=");
    assert_string_equal(password, "EXECUTOR_FRONTEND_PASSWORD=");
    assert_null(memmem(own, sizeof own, SECRET, strlen(SECRET)));
    assert_string_equal(settings.password, SECRET);
    lx_settings_done(&settings);
    lx_buf_done(&problems);
    expect_wiped();
}

static void credentials_are_wiped(void **state)
{
    (void)state;
    static const char kubeconfig[] =
        "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}], clusters: "
        "[{name: k, cluster: {server: 'https://h'}}], users: [{name: u, user: {token: " SECRET
        "}}]}";
    char folder[] = "/tmp/lx-secrets-XXXXXX";
    assert_non_null(mkdtemp(folder));
    lx_auto(str) char *path = lx_strf("%s/config", folder);
    lx_auto(str) char *token_path = lx_strf("%s/token", folder);
    assert_int_equal(lx_file_write(path, kubeconfig, strlen(kubeconfig), 0600, NULL), 0);
    assert_int_equal(lx_file_write(token_path, SECRET "\n", strlen(SECRET) + 1, 0600, NULL), 0);
    struct lx_kube_config config;
    assert_int_equal(lx_kube_config_file(path, &config, NULL), 0);
    assert_string_equal(config.token, SECRET);
    lx_kube_config_done(&config);
    struct lx_token *token = NULL;
    assert_int_equal(lx_token_new(NULL, token_path, &token, NULL), 0);
    lx_token_rejected(token);
    assert_string_equal(lx_token_get(token), SECRET);
    lx_token_free(token);
    assert_int_equal(lx_remove_tree(folder, NULL), 0);
    expect_wiped();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_wrapper_sees_what_is_not_wiped, setup),
        cmocka_unit_test_setup(buffers_are_wiped_as_they_grow_shrink_and_end, setup),
        cmocka_unit_test_setup(json_is_wiped, setup),
        cmocka_unit_test_setup(a_job_is_wiped, setup),
        cmocka_unit_test_setup(a_mask_is_wiped, setup),
        cmocka_unit_test_setup(settings_and_the_environment_are_wiped, setup),
        cmocka_unit_test_setup(credentials_are_wiped, setup),
    };
    lx_json_wipe_freed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
