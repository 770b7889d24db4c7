#include "lunexec/creds.h"

#include "lunexec/file.h"
#include "lunexec/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char path[64], file[96];
};

static void put(const char *file, const char *text)
{
    assert_int_equal(lx_file_write(file, text, strlen(text), 0600, NULL), 0);
}

static int setup(void **state)
{
    struct folder *folder = lx_alloc(sizeof(*folder));
    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/lx-creds-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->file, sizeof(folder->file), "%s/token", folder->path);
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    struct folder *folder = *state;
    assert_int_equal(lx_remove_tree(folder->path, NULL), 0);
    free(folder);
    return 0;
}

static void test_fixed(void **state)
{
    struct lx_token *token;
    (void)state;
    assert_int_equal(lx_token_new("abc", NULL, &token, NULL), 0);
    assert_string_equal(lx_token_get(token), "abc");
    lx_token_rejected(token);
    assert_string_equal(lx_token_get(token), "abc");
    lx_token_free(token);
}

static void test_one_source(void **state)
{
    struct lx_token *token;
    struct lx_err err = {0};
    (void)state;
    assert_int_equal(lx_token_new(NULL, NULL, &token, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
    assert_int_equal(lx_token_new("a", "/etc/hostname", &token, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
}

static void test_file_is_trimmed(void **state)
{
    struct folder *folder = *state;
    struct lx_token *token;
    put(folder->file, " \n secret-1\r\n");
    assert_int_equal(lx_token_new(NULL, folder->file, &token, NULL), 0);
    assert_string_equal(lx_token_get(token), "secret-1");
    lx_token_free(token);
}

static void test_bad_files(void **state)
{
    static const char *const bad[] = {"", "\n", "a b", "a\nb", "a\x01", "caf\xc3\xa9"};
    struct folder *folder = *state;
    struct lx_token *token;
    struct lx_err err = {0};
    assert_int_equal(lx_token_new(NULL, folder->file, &token, &err), -1);
    assert_int_equal(err.code, LX_E_NOT_FOUND);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        put(folder->file, bad[i]);
        assert_int_equal(lx_token_new(NULL, folder->file, &token, &err), -1);
        assert_int_equal(err.code, LX_E_INVALID);
        assert_non_null(strstr(err.text, folder->file));
        assert_null(strstr(err.text, "caf"));
    }
}

static void test_rotation(void **state)
{
    struct folder *folder = *state;
    struct lx_token *token;
    put(folder->file, "one");
    assert_int_equal(lx_token_new(NULL, folder->file, &token, NULL), 0);
    put(folder->file, "second");
    assert_string_equal(lx_token_get(token), "one"); /* looked at a moment ago */
    lx_token_rejected(token);
    assert_string_equal(lx_token_get(token), "second");
    put(folder->file, "third");
    assert_string_equal(lx_token_get(token), "second"); /* one rejection, one look */
    lx_token_free(token);
}

static void test_lost_file_keeps_the_last(void **state)
{
    struct folder *folder = *state;
    struct lx_token *token;
    put(folder->file, "one");
    assert_int_equal(lx_token_new(NULL, folder->file, &token, NULL), 0);
    assert_int_equal(unlink(folder->file), 0);
    lx_token_rejected(token);
    assert_string_equal(lx_token_get(token), "one");
    put(folder->file, "two\nlines");
    lx_token_rejected(token);
    assert_string_equal(lx_token_get(token), "one");
    put(folder->file, "good");
    lx_token_rejected(token);
    assert_string_equal(lx_token_get(token), "good");
    lx_token_free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fixed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_is_trimmed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_file_keeps_the_last, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
