#include "lunexec/err.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

static void a_failure_fills_the_value(void **state)
{
    (void)state;
    struct lx_err err = {0};
    assert_int_equal(lx_fail(&err, LX_E_LIMIT, "%d of %s", 3, "four"), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_string_equal(err.text, "3 of four");
}

static void wrapping_puts_context_before_and_keeps_the_code(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_fail(&err, LX_E_AUTH, "status %d", 401);
    assert_int_equal(lx_wrap(&err, "asking %s", "the queue"), -1);
    assert_string_equal(err.text, "asking the queue: status 401");
    assert_int_equal(err.code, LX_E_AUTH);
}

static void the_old_text_may_be_an_argument(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_fail(&err, LX_E_PEER, "inner");
    lx_fail(&err, LX_E_IO, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    lx_wrap(&err, "<%s>", err.text);
    assert_string_equal(err.text, "<outer (inner)>: outer (inner)");
}

static void an_errno_is_spelled_out(void **state)
{
    (void)state;
    struct lx_err err = {0};
    assert_int_equal(lx_fail_errno(&err, ENOENT, "opening %s", "/x"), -1);
    assert_string_equal(err.text, "opening /x: No such file or directory");
    assert_int_equal(err.code, LX_E_IO);
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    assert_int_equal(lx_fail(NULL, LX_E_IO, "x"), -1);
    assert_int_equal(lx_wrap(NULL, "x"), -1);
    assert_int_equal(lx_fail_errno(NULL, EIO, "x"), -1);
}

static void the_text_is_one_line(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_fail(&err, LX_E_PEER, "a\nb\tc\r\n");
    assert_string_equal(err.text, "a b c");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[2 * LX_ERR_TEXT];
    struct lx_err err = {0};
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    lx_fail(&err, LX_E_PEER, "%s", text);
    assert_int_equal(strlen(err.text), LX_ERR_TEXT - 1);
    for (size_t at = LX_ERR_TEXT - 5; at < LX_ERR_TEXT; at++) {
        memset(text, 'x', sizeof(text) - 1);
        memcpy(text + at, "\xe2\x82\xac", 3);
        lx_fail(&err, LX_E_PEER, "%s", text);
        size_t len = strlen(err.text);
        /* Whole when its last byte fits before the end, else not there at all. */
        assert_int_equal(len, at + 3 <= LX_ERR_TEXT - 1 ? LX_ERR_TEXT - 1 : at);
    }
    lx_wrap(&err, "outer");
    assert_memory_equal(err.text, "outer: xxx", 10);
    assert_true(strlen(err.text) < LX_ERR_TEXT);
}

static void codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(lx_code_name(LX_OK), "ok");
    assert_string_equal(lx_code_name(LX_E_NOT_FOUND), "not-found");
    assert_string_equal(lx_code_name(LX_E_PEER), "peer");
    for (int code = LX_OK; code <= LX_E_PEER; code++) {
        assert_string_not_equal(lx_code_name((enum lx_code)code), "unknown");
        for (int other = LX_OK; other < code; other++)
            assert_string_not_equal(lx_code_name((enum lx_code)code),
                                    lx_code_name((enum lx_code)other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_fills_the_value),
        cmocka_unit_test(wrapping_puts_context_before_and_keeps_the_code),
        cmocka_unit_test(the_old_text_may_be_an_argument),
        cmocka_unit_test(an_errno_is_spelled_out),
        cmocka_unit_test(nobody_needs_to_listen),
        cmocka_unit_test(the_text_is_one_line),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(codes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
