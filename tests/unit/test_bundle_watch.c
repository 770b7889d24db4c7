/*
 * Following a policy's directory, with real files.
 */
#include "policy_dir.h"

#include "lunexec/text.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 20000

struct fixture {
    struct lx_loop *loop;
    struct policy_dir dir;
    struct lx_bundle_watch *watch;
    unsigned told;
    bool came;
    char hash[LX_BUNDLE_HASH_SIZE]; /* of the last bundle; "" after an error */
    char error[LX_ERR_TEXT];
};

static void on_change(void *arg, struct lx_bundle *bundle, const struct lx_err *err)
{
    struct fixture *fx = arg;
    fx->told++;
    fx->came = true;
    assert_true((bundle != NULL) != (err != NULL));
    snprintf(fx->hash, sizeof fx->hash, "%s", bundle ? lx_bundle_hash(bundle) : "");
    snprintf(fx->error, sizeof fx->error, "%s", err ? err->text : "");
    lx_bundle_free(bundle);
}

static void start(struct fixture *fx, const char *hash, unsigned poll_ms, unsigned quiet_ms)
{
    const struct lx_bundle_watch_opts opts = {.loop = fx->loop,
                                              .policy_dir = fx->dir.policy,
                                              .library_dir = fx->dir.library,
                                              .hash = hash,
                                              .poll_ms = poll_ms,
                                              .quiet_ms = quiet_ms,
                                              .on_change = on_change,
                                              .arg = fx};
    fx->watch = lx_bundle_watch_new(&opts);
}

static int setup(void **state)
{
    struct fixture *fx = lx_alloc(sizeof *fx);
    assert_int_equal(lx_loop_new(&fx->loop, NULL), 0);
    dir_init(&fx->dir);
    dir_write(&fx->dir, "policy/policy.lua", "return {api = 1}");
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fx = *state;
    lx_bundle_watch_free(fx->watch);
    lx_loop_free(fx->loop);
    dir_done(&fx->dir);
    free(fx);
    return 0;
}

static void wait_told(struct fixture *fx)
{
    struct lx_err err;
    fx->came = false;
    if (lx_loop_run_until(fx->loop, &fx->came, WAIT_MS, &err))
        fail_msg("%s", err.text);
}

/* The hash that the directory has now. */
static const char *hash_now(const struct fixture *fx)
{
    static char hash[LX_BUNDLE_HASH_SIZE];
    struct lx_bundle *bundle = dir_load(&fx->dir);
    snprintf(hash, sizeof hash, "%s", lx_bundle_hash(bundle));
    lx_bundle_free(bundle);
    return hash;
}

/* inotify alone: the next look by itself would be in an hour. */
static void test_a_change_is_told_once(void **state)
{
    struct fixture *fx = *state;
    start(fx, hash_now(fx), 3600000, 50);
    lx_loop_run_until(fx->loop, &fx->came, 150, NULL);
    assert_int_equal(fx->told, 0); /* known already */
    dir_write(&fx->dir, "policy/policy.lua", "return {api = 1, job = print}");
    wait_told(fx);
    assert_string_equal(fx->hash, hash_now(fx));
    dir_write(&fx->dir, "policy/policy.lua", "return {api = 1, job = print}"); /* the same again */
    lx_loop_run_until(fx->loop, &fx->came, 0, NULL);
    fx->came = false;
    lx_loop_run_until(fx->loop, &fx->came, 300, NULL);
    assert_int_equal(fx->told, 1);
}

/* Without inotify, as where the directory did not exist at first. */
static void test_looking_by_itself_is_enough(void **state)
{
    struct fixture *fx = *state;
    lx_auto(str) char *aside = lx_strf("%s/aside", fx->dir.root);
    assert_int_equal(rename(fx->dir.policy, aside), 0);
    start(fx, NULL, 20, 20);
    wait_told(fx);
    assert_non_null(strstr(fx->error, "No such file"));
    assert_int_equal(rename(aside, fx->dir.policy), 0);
    wait_told(fx);
    assert_string_equal(fx->hash, hash_now(fx));
}

/* As the kubelet does: policy.lua is a link through ..data. */
static void test_a_swapped_link_is_seen(void **state)
{
    struct fixture *fx = *state;
    lx_auto(str) char *data = lx_strf("%s/..data", fx->dir.policy);
    lx_auto(str) char *fresh = lx_strf("%s/..data_tmp", fx->dir.policy);
    lx_auto(str) char *file = lx_strf("%s/policy.lua", fx->dir.policy);
    lx_auto(str) char *one = lx_strf("%s/..one", fx->dir.policy);
    lx_auto(str) char *two = lx_strf("%s/..two", fx->dir.policy);
    assert_int_equal(mkdir(one, 0700) || mkdir(two, 0700) || unlink(file), 0);
    dir_write(&fx->dir, "policy/..one/policy.lua", "return {api = 1, one = 1}");
    dir_write(&fx->dir, "policy/..two/policy.lua", "return {api = 1, two = 1}");
    assert_int_equal(symlink("..one", data) || symlink("..data/policy.lua", file), 0);
    start(fx, hash_now(fx), 3600000, 50);
    assert_int_equal(symlink("..two", fresh) || rename(fresh, data), 0);
    wait_told(fx);
    assert_string_equal(fx->hash, hash_now(fx));
    assert_int_equal(fx->told, 1);
}

static void write_on(void *arg)
{
    struct fixture *fx = arg;
    static unsigned n;
    lx_auto(str) char *text = lx_strf("return {api = 1, n = %u}", n++);
    dir_write(&fx->dir, "policy/policy.lua", text);
}

static void test_what_is_being_written_is_waited_for(void **state)
{
    struct fixture *fx = *state;
    struct lx_timer *timer = lx_timer_new(fx->loop, write_on, fx);
    start(fx, hash_now(fx), 50, 400);
    lx_timer_start(timer, 0, 20);
    lx_loop_run_until(fx->loop, &fx->came, 1500, NULL);
    assert_int_equal(fx->told, 0);
    lx_timer_free(timer);
    wait_told(fx);
    assert_string_equal(fx->hash, hash_now(fx));
    assert_int_equal(fx->told, 1);
}

static void test_what_cannot_be_read_is_told_and_what_comes_after(void **state)
{
    struct fixture *fx = *state;
    lx_auto(str) char *file = lx_strf("%s/policy.lua", fx->dir.policy);
    lx_auto(str) char *good = lx_strdup(hash_now(fx));
    start(fx, good, 50, 20);
    assert_int_equal(unlink(file), 0);
    wait_told(fx);
    assert_non_null(strstr(fx->error, "has no policy.lua"));
    assert_int_equal(mkfifo(file, 0600), 0);
    wait_told(fx);
    assert_non_null(strstr(fx->error, "is not a regular file"));
    assert_int_equal(unlink(file), 0);
    dir_write(&fx->dir, "policy/policy.lua", "return {api = 1}");
    wait_told(fx);
    while (!*fx->hash) /* between the two, it may have been found missing */
        wait_told(fx);
    assert_string_equal(fx->hash, good);
}

static void test_too_large_is_an_error(void **state)
{
    struct fixture *fx = *state;
    start(fx, hash_now(fx), 50, 20);
    char *large = lx_alloc((2 << 20) + 1);
    memset(large, '-', 2 << 20);
    dir_write(&fx->dir, "policy/large.lua", large);
    free(large);
    wait_told(fx);
    assert_non_null(strstr(fx->error, "larger than"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_change_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_looking_by_itself_is_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_swapped_link_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_being_written_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_told_and_what_comes_after,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_large_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
