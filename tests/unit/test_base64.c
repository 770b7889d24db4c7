#include "lunexec/text.h"

#include "unit.h"

#include <string.h>

static void the_vectors_of_the_rfc(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        lx_auto(buf) struct lx_buf out = LX_BUF_INIT(64);
        assert_int_equal(lx_base64_encode(&out, pairs[i][0], strlen(pairs[i][0]), NULL), 0);
        assert_string_equal(lx_buf_str(&out), pairs[i][1]);
        lx_buf_reset(&out);
        assert_int_equal(lx_base64_decode(&out, pairs[i][1], strlen(pairs[i][1]), NULL), 0);
        assert_string_equal(lx_buf_str(&out), pairs[i][0]);
    }
}

static void every_byte_comes_back(void **state)
{
    (void)state;
    unsigned char all[256];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (unsigned char)(i * 37);
    for (size_t len = 0; len <= sizeof(all); len++) {
        lx_auto(buf) struct lx_buf text = LX_BUF_INIT(512), back = LX_BUF_INIT(256);
        assert_int_equal(lx_base64_encode(&text, all, len, NULL), 0);
        assert_int_equal(text.len, (len + 2) / 3 * 4);
        assert_int_equal(lx_base64_decode(&back, lx_buf_str(&text), text.len, NULL), 0);
        assert_int_equal(back.len, len);
        if (len)
            assert_memory_equal(back.data, all, len);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",      "Zg",   "Zg=",  "====", "Z===", "=Zg=", "Zg=g",  "Zg==Zg==",
        "Zm9v\n", "Zm 9", "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zm9v=", "\xff\xff\xff\xff",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lx_err err = {0};
        lx_auto(buf) struct lx_buf out = LX_BUF_INIT(64);
        assert_int_equal(lx_buf_adds(&out, "x", NULL), 0);
        if (lx_base64_decode(&out, bad[i], strlen(bad[i]), &err) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.code, LX_E_INVALID);
        assert_string_equal(lx_buf_str(&out), "x");
    }
}

static void the_maximum_counts_what_is_written(void **state)
{
    (void)state;
    struct lx_err err = {0};
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(4);
    assert_int_equal(lx_base64_encode(&out, "abcd", 4, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_int_equal(lx_base64_encode(&out, "abc", 3, NULL), 0);
    lx_buf_reset(&out);
    /* Four bytes fit, although the text would have room for six. */
    assert_int_equal(lx_base64_decode(&out, "YWJjZA==", 8, NULL), 0);
    assert_string_equal(lx_buf_str(&out), "abcd");
    lx_buf_reset(&out);
    assert_int_equal(lx_base64_decode(&out, "YWJjZGU=", 8, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(the_maximum_counts_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
