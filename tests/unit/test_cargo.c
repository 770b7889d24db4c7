/*
 * What travels how: the argument or Secrets, and how Secrets are cut.
 */
#include "job/cargo.h"

#include "lunexec/text.h"

#include "unit.h"

#include <string.h>

#define S(text) ((char *)(uintptr_t)(text))

static struct lx_cargo *cargo_of(struct lx_job_file *files, size_t n)
{
    struct lx_job job = {.repository = S(""), .commit = S("c"), .files = files, .n_files = n};
    struct lx_cargo *cargo = NULL;
    struct lx_err err;
    if (lx_cargo_new(&job, &cargo, &err) < 0)
        fail_msg("%s", err.text);
    return cargo;
}

static size_t secrets_for(char *content, size_t len)
{
    struct lx_job_file file = {.path = S("f"), .content = content, .content_len = len};
    lx_auto(cargo) struct lx_cargo *cargo = cargo_of(&file, 1);
    return lx_cargo_n_secrets(cargo);
}

static char *filled(size_t len, char c)
{
    char *data = lx_alloc(len + 1);
    memset(data, c, len);
    return data;
}

static void small_text_needs_no_secret(void **state)
{
    (void)state;
    assert_int_equal(secrets_for(S("text"), 4), 0);
    assert_int_equal(secrets_for(S(""), 0), 0);
}

static void what_no_argument_carries_needs_one(void **state)
{
    (void)state;
    assert_int_equal(secrets_for(S("a\0b"), 3), 1);
    assert_int_equal(secrets_for(S("\xff"), 1), 1);
    lx_auto(str) char *large = filled(64 * 1024, 'x');
    assert_int_equal(secrets_for(large, 64 * 1024), 1);
    /* As a word of the shell this is five times as long. */
    lx_auto(str) char *quotes = filled(30000, '\'');
    assert_int_equal(secrets_for(quotes, 30000), 1);
}

/* Every byte is in exactly one piece, and no Secret is beyond what Kubernetes takes. */
static void pieces_make_the_whole(void **state)
{
    (void)state;
    size_t len = 2500000, total = 0;
    lx_auto(str) char *data = lx_alloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 31 >> 3);
    struct lx_job_file file = {.path = S("f"), .content = data, .content_len = len};
    lx_auto(cargo) struct lx_cargo *cargo = cargo_of(&file, 1);
    assert_int_equal(lx_cargo_n_secrets(cargo), 3);
    lx_auto(buf) struct lx_buf all = LX_BUF_INIT(4000000);
    for (size_t i = 0; i < 3; i++) {
        lx_auto(json) json_t *secret = lx_cargo_secret(cargo, i, "j", "ns", "uid-1");
        assert_string_equal(lx_json_str(lx_json_path(secret, "metadata"), "name", ""),
                            i == 0   ? "j-files-0"
                            : i == 1 ? "j-files-1"
                                     : "j-files-2");
        const json_t *owner = lx_json_path(secret, "metadata.ownerReferences.0");
        assert_string_equal(lx_json_str(owner, "uid", ""), "uid-1");
        size_t before = all.len;
        const char *key;
        json_t *value;
        json_object_foreach (lx_json_obj(secret, "data"), key, value)
            assert_int_equal(
                lx_base64_decode(&all, json_string_value(value), json_string_length(value), NULL),
                0);
        assert_true(all.len - before <= 1000000);
        total += all.len - before;
    }
    assert_true(total > len);
    assert_non_null(memmem(all.data, all.len, data, len));
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    lx_auto(str) char *data = filled(13000000, '\1');
    struct lx_job_file files[5];
    for (size_t i = 0; i < 5; i++)
        files[i] = (struct lx_job_file){.path = S("f"), .content = data, .content_len = 13000000};
    struct lx_job job = {.repository = S(""), .commit = S("c"), .files = files, .n_files = 5};
    struct lx_cargo *cargo = NULL;
    struct lx_err err;
    assert_int_equal(lx_cargo_new(&job, &cargo, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_non_null(strstr(err.text, "65000"));
    assert_non_null(strstr(err.text, "the limit is 64000000"));
}

static void only_the_setup_container_mounts_them(void **state)
{
    (void)state;
    struct lx_job_file file = {.path = S("f"), .content = S("\0"), .content_len = 1};
    lx_auto(cargo) struct lx_cargo *cargo = cargo_of(&file, 1);
    struct lx_err err;
    lx_auto(json) json_t *job =
        json_pack("{s:{s:{s:{s:[{s:s}, {s:s}]}}}}", "spec", "template", "spec", "initContainers",
                  "name", "setup", "name", "step");
    assert_int_equal(lx_cargo_attach(cargo, "j", "setup", job, &err), 0);
    const json_t *mount = lx_json_path(job, "spec.template.spec.initContainers.0.volumeMounts.0");
    assert_true(lx_json_bool(mount, "readOnly", false));
    assert_null(lx_json_path(job, "spec.template.spec.initContainers.1.volumeMounts"));
    const json_t *volume = lx_json_path(job, "spec.template.spec.volumes.0");
    assert_string_equal(lx_json_str(volume, "name", "x"), lx_json_str(mount, "name", "y"));
    assert_int_equal(lx_cargo_attach(cargo, "j", "absent", job, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_text_needs_no_secret),
        cmocka_unit_test(what_no_argument_carries_needs_one),
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(only_the_setup_container_mounts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
