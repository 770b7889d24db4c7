#include "lunexec/loop.h"
#include "lunexec/text.h"

#include "unit.h"

#include <string.h>

static void comparisons(void **state)
{
    (void)state;
    assert_true(lx_streq("a", "a"));
    assert_false(lx_streq("a", "b"));
    assert_false(lx_streq("a", NULL));
    assert_false(lx_streq(NULL, ""));
    assert_true(lx_streq(NULL, NULL));
    assert_true(lx_starts_with("abc", "ab"));
    assert_true(lx_starts_with("abc", ""));
    assert_false(lx_starts_with("ab", "abc"));
    assert_true(lx_ends_with("abc", "bc"));
    assert_true(lx_ends_with("abc", ""));
    assert_false(lx_ends_with("bc", "abc"));
}

static void assert_splits(const char *text, const char *const *pieces)
{
    lx_auto(strv) char **got = lx_split(text, ',');
    size_t n = 0;
    for (; pieces[n]; n++)
        assert_string_equal(got[n], pieces[n]);
    assert_null(got[n]);
    assert_int_equal(lx_strv_len(got), n);
}

static void splitting_trims_nothing(void **state)
{
    (void)state;
    assert_splits("a,b c, d", (const char *const[]){"a", "b c", " d", NULL});
    assert_splits("", (const char *const[]){"", NULL});
    assert_splits(",", (const char *const[]){"", "", NULL});
    assert_splits("a,,", (const char *const[]){"a", "", "", NULL});
    assert_int_equal(lx_strv_len(NULL), 0);
    lx_strv_free(NULL);
}

static void quoting_is_one_word(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(64);
    assert_int_equal(lx_shell_quote(&out, "", 0, NULL), 0);
    assert_string_equal(lx_buf_str(&out), "''");
    lx_buf_reset(&out);
    assert_int_equal(lx_shell_quote(&out, "it's", 4, NULL), 0);
    assert_string_equal(lx_buf_str(&out), "'it'\"'\"'s'");
}

static void quoting_refuses_nul_and_keeps_the_limit(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(10);
    assert_int_equal(lx_shell_quote(&out, "a\0b", 3, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
    assert_int_equal(lx_buf_adds(&out, "x", NULL), 0);
    static const char *const too_long[] = {"abcdefgh", "abcdefghi", "'''", "a'b'c"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(lx_shell_quote(&out, too_long[i], strlen(too_long[i]), &err), -1);
        assert_int_equal(err.code, LX_E_LIMIT);
        assert_string_equal(lx_buf_str(&out), "x");
    }
    assert_int_equal(lx_shell_quote(&out, "abcdefg", 7, &err), 0);
}

struct echo {
    struct lx_buf out;
    bool exited;
};

static void on_out(void *arg, const char *data, size_t len)
{
    assert_int_equal(lx_buf_add(&((struct echo *)arg)->out, data, len, NULL), 0);
}

static void on_exit_(void *arg, int64_t status, int signal)
{
    assert_int_equal(status, 0);
    assert_int_equal(signal, 0);
    ((struct echo *)arg)->exited = true;
}

static void the_shell_reads_back_every_byte(void **state)
{
    (void)state;
    static const char *const fixed[] = {
        "'",    "''",    "a'b",    "\\", "\\'",    "$HOME `id` $(id) \"x\" !!",
        "\n\n", " lead", "*?[a]~", "-n", "'\"'\"'"};
    char every[255];
    for (int i = 0; i < 255; i++)
        every[i] = (char)(unsigned char)(i + 1);
    lx_auto(buf) struct lx_buf script = LX_BUF_INIT(8192), expected = LX_BUF_INIT(8192);
    assert_int_equal(lx_buf_adds(&script, "printf '%s|'", NULL), 0);
    for (size_t i = 0; i <= sizeof(fixed) / sizeof(fixed[0]); i++) {
        bool last = i == sizeof(fixed) / sizeof(fixed[0]);
        const char *text = last ? every : fixed[i];
        size_t len = last ? sizeof(every) : strlen(text);
        assert_int_equal(lx_buf_addc(&script, ' ', NULL), 0);
        assert_int_equal(lx_shell_quote(&script, text, len, NULL), 0);
        assert_int_equal(lx_buf_add(&expected, text, len, NULL), 0);
        assert_int_equal(lx_buf_addc(&expected, '|', NULL), 0);
    }
    struct lx_loop *loop;
    struct lx_child *child;
    struct echo echo = {.out = LX_BUF_INIT(8192)};
    const char *const argv[] = {"/bin/sh", "-c", lx_buf_str(&script), NULL};
    struct lx_child_opts opts = {.argv = argv, .on_out = on_out, .on_exit = on_exit_, .arg = &echo};
    assert_int_equal(lx_loop_new(&loop, NULL), 0);
    assert_int_equal(lx_child_spawn(loop, &opts, &child, NULL), 0);
    assert_int_equal(lx_loop_run_until(loop, &echo.exited, 20000, NULL), 0);
    assert_int_equal(echo.out.len, expected.len);
    assert_memory_equal(echo.out.data, expected.data, expected.len);
    lx_child_free(child);
    lx_loop_free(loop);
    lx_buf_done(&echo.out);
}

static void paths_are_cleaned_as_in_go(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", "."},
        {".", "."},
        {"abc", "abc"},
        {"abc/def", "abc/def"},
        {"/", "/"},
        {"/abc", "/abc"},
        {"abc/", "abc"},
        {"abc//def//ghi", "abc/def/ghi"},
        {"//abc", "/abc"},
        {"///", "/"},
        {"abc/./def", "abc/def"},
        {"/./abc/def", "/abc/def"},
        {"abc/def/ghi/../jkl", "abc/def/jkl"},
        {"abc/def/..", "abc"},
        {"abc/def/../..", "."},
        {"/abc/def/../..", "/"},
        {"abc/def/../../..", ".."},
        {"/abc/def/../../..", "/"},
        {"abc/def/../../../ghi/jkl/../../../mno", "../../mno"},
        {"..", ".."},
        {"../..", "../.."},
        {"/../..", "/"},
        {"../../abc", "../../abc"},
        {"/../abc", "/abc"},
        {"abc/./../def", "def"},
        {"abc//./../def", "def"},
        {"...", "..."},
        {"a/..b/.c", "a/..b/.c"},
        {"./../a", "../a"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        lx_auto(str) char *clean = lx_path_clean(pairs[i][0]);
        assert_string_equal(clean, pairs[i][1]);
        lx_auto(str) char *again = lx_path_clean(clean);
        assert_string_equal(again, clean);
    }
}

static void joining_cleans(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"/job", "a/b", "/job/a/b"},
        {"/job", "", "/job"},
        {"", "b", "b"},
        {"", "/b", "/b"},
        {"a", "../../b", "../b"},
        {"/job/", "/x", "/job/x"},
        {"/job", "../../x", "/x"},
        {"", "", "."},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        lx_auto(str) char *joined = lx_path_join(rows[i][0], rows[i][1]);
        assert_string_equal(joined, rows[i][2]);
    }
}

static void distances_stop_counting_at_the_limit(void **state)
{
    (void)state;
    assert_int_equal(lx_edit_distance("kitten", "sitting", 10), 3);
    assert_int_equal(lx_edit_distance("sitting", "kitten", 10), 3);
    assert_int_equal(lx_edit_distance("", "", 3), 0);
    assert_int_equal(lx_edit_distance("", "abc", 3), 3);
    assert_int_equal(lx_edit_distance("abc", "", 2), 3);
    assert_int_equal(lx_edit_distance("abc", "abc", 0), 0);
    assert_int_equal(lx_edit_distance("abc", "abd", 0), 1);
    assert_int_equal(lx_edit_distance("kitten", "sitting", 2), 3);
    assert_int_equal(lx_edit_distance("ab", "ba", 5), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons),
        cmocka_unit_test(splitting_trims_nothing),
        cmocka_unit_test(quoting_is_one_word),
        cmocka_unit_test(quoting_refuses_nul_and_keeps_the_limit),
        cmocka_unit_test(the_shell_reads_back_every_byte),
        cmocka_unit_test(paths_are_cleaned_as_in_go),
        cmocka_unit_test(joining_cleans),
        cmocka_unit_test(distances_stop_counting_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
