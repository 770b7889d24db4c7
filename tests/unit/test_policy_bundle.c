#include "policy_dir.h"

#include <unistd.h>

static int setup(void **state)
{
    struct policy_dir *dir = lx_alloc(sizeof *dir);
    dir_init(dir);
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    dir_done(*state);
    free(*state);
    return 0;
}

static void get_hash(const struct policy_dir *dir, char out[LX_BUNDLE_HASH_SIZE])
{
    struct lx_bundle *bundle = dir_load(dir);
    memcpy(out, lx_bundle_hash(bundle), LX_BUNDLE_HASH_SIZE);
    assert_int_equal(strspn(out, "0123456789abcdef"), LX_BUNDLE_HASH_SIZE - 1);
    lx_bundle_free(bundle);
}

static void test_hash_follows_names_and_contents(void **state)
{
    const struct policy_dir *dir = *state;
    char first[LX_BUNDLE_HASH_SIZE], now[LX_BUNDLE_HASH_SIZE];
    dir_write(dir, "policy/policy.lua", "return {}");
    dir_write(dir, "policy/a.lua", "one");
    dir_write(dir, "policy/b.lua", "two");
    dir_write(dir, "lua/lunexec/pod.lua", "lib");
    get_hash(dir, first);
    get_hash(dir, now);
    assert_string_equal(first, now);

    dir_write(dir, "policy/b.lua", "twO");
    get_hash(dir, now);
    assert_string_not_equal(first, now);
    dir_write(dir, "policy/a.lua", "onet"); /* the same bytes in all, cut elsewhere */
    dir_write(dir, "policy/b.lua", "wo");
    get_hash(dir, now);
    assert_string_not_equal(first, now);
    dir_write(dir, "policy/a.lua", "one");
    dir_write(dir, "policy/b.lua", "two");
    get_hash(dir, now);
    assert_string_equal(first, now);
    dir_write(dir, "lua/lunexec/pod.lua", "LIB");
    get_hash(dir, now);
    assert_string_not_equal(first, now);
}

static void test_other_files_are_left_out(void **state)
{
    const struct policy_dir *dir = *state;
    char first[LX_BUNDLE_HASH_SIZE], now[LX_BUNDLE_HASH_SIZE];
    dir_write(dir, "policy/policy.lua", "return {}");
    get_hash(dir, first);
    dir_write(dir, "policy/README.md", "text");
    dir_write(dir, "policy/.hidden.lua", "x");
    dir_write(dir, "policy/policy_spec.lua", "x");
    get_hash(dir, now);
    assert_string_equal(first, now);
}

/* A policy is what its folder changes of the bundled scripts. */
static void test_bundled_scripts_fill_the_gaps(void **state)
{
    const struct policy_dir *dir = *state;
    struct lx_bundle *layered = NULL;
    char whole[LX_BUNDLE_HASH_SIZE];
    struct lx_err err;
    dir_write(dir, "policy/policy.lua", "return {api = 1}");
    dir_write(dir, "lua/policy.lua", "not this one");
    dir_write(dir, "lua/retry.lua", "return 1");
    if (lx_bundle_load(dir->policy, dir->library, dir->library, &layered, &err))
        fail_msg("%s", err.text);
    dir_write(dir, "policy/retry.lua", "return 1");
    get_hash(dir, whole);
    assert_string_equal(lx_bundle_hash(layered), whole);
    lx_bundle_free(layered);
}

static void test_bundled_scripts_are_no_policy(void **state)
{
    const struct policy_dir *dir = *state;
    struct lx_bundle *bundle = NULL;
    struct lx_err err;
    dir_write(dir, "lua/policy.lua", "return {api = 1}");
    assert_int_equal(lx_bundle_load(dir->policy, dir->library, dir->library, &bundle, &err), -1);
    assert_non_null(strstr(err.text, dir->policy));
}

/* A mounted ConfigMap: files are links through a link to a hidden folder. */
static void test_links_are_followed(void **state)
{
    const struct policy_dir *dir = *state;
    char first[LX_BUNDLE_HASH_SIZE], now[LX_BUNDLE_HASH_SIZE];
    dir_write(dir, "policy/policy.lua", "return {}");
    get_hash(dir, first);
    char *data = lx_strf("%s/..2026", dir->policy), *link = lx_strf("%s/..data", dir->policy);
    char *file = lx_strf("%s/policy.lua", dir->policy);
    assert_int_equal(lx_mkdirs(data, 0700, NULL), 0);
    assert_int_equal(symlink("..2026", link), 0);
    assert_int_equal(unlink(file), 0);
    dir_write(dir, "policy/..2026/policy.lua", "return {}");
    assert_int_equal(symlink("..data/policy.lua", file), 0);
    get_hash(dir, now);
    assert_string_equal(first, now);
    free(data);
    free(link);
    free(file);
}

static void check_refused(const struct policy_dir *dir, enum lx_code code, const char *part)
{
    struct lx_bundle *bundle = NULL;
    struct lx_err err;
    assert_int_equal(lx_bundle_load(dir->policy, NULL, dir->library, &bundle, &err), -1);
    assert_null(bundle);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, part))
        fail_msg("%s", err.text);
}

static void test_missing_policy_names_the_folder(void **state)
{
    const struct policy_dir *dir = *state;
    dir_write(dir, "policy/other.lua", "x");
    check_refused(dir, LX_E_INVALID, dir->policy);
}

static void test_missing_folder_is_named(void **state)
{
    struct policy_dir dir = *(struct policy_dir *)*state;
    dir.policy = (char[]){"/nonexistent/policy"};
    check_refused(&dir, LX_E_IO, "/nonexistent/policy");
}

static void test_size_is_limited(void **state)
{
    const struct policy_dir *dir = *state;
    size_t size = (size_t)600 << 10;
    char *text = lx_alloc(size + 1);
    memset(text, '-', size);
    dir_write(dir, "policy/policy.lua", text);
    lx_bundle_free(dir_load(dir));
    dir_write(dir, "policy/second.lua", text);
    check_refused(dir, LX_E_LIMIT, "second.lua");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hash_follows_names_and_contents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_files_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bundled_scripts_fill_the_gaps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bundled_scripts_are_no_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_policy_names_the_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_folder_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_size_is_limited, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
