#include "lunexec/json.h"

#include "unit.h"

#include <string.h>

#define BAD "\xEF\xBF\xBD"

static void assert_escapes(const char *text, size_t len, const char *expected)
{
    /* At every offset, so that the eight bytes looked at together fall differently. */
    static const char pad[] = "ABCDEFGHIJKLMNOP";
    for (size_t lead = 0; lead < sizeof(pad); lead++) {
        char in[128];
        lx_auto(buf) struct lx_buf out = LX_BUF_INIT(1024);
        memcpy(in, pad, lead);
        memcpy(in + lead, text, len);
        memcpy(in + lead + len, pad, 16);
        assert_int_equal(lx_json_escape(&out, in, lead + len + 16, NULL), 0);
        lx_auto(str) char *all = lx_strf("%.*s%s%s", (int)lead, pad, expected, pad);
        assert_string_equal(lx_buf_str(&out), all);
        lx_buf_reset(&out);
        assert_int_equal(lx_json_escape(&out, in, lead + len, NULL), 0);
        all[strlen(all) - 16] = '\0';
        assert_string_equal(lx_buf_str(&out), all);
    }
}

static void assert_escapes_text(const char *text, const char *expected)
{
    assert_escapes(text, strlen(text), expected);
}

static void plain_text_goes_through(void **state)
{
    (void)state;
    assert_escapes_text("", "");
    assert_escapes_text("plain text /<>&'", "plain text /<>&'");
    assert_escapes_text("\x7f", "\x7f");
    assert_escapes_text("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                        "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_escapes_text("\xef\xbf\xbf\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
                        "\xef\xbf\xbf\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80");
}

static void what_json_needs_escaped_is(void **state)
{
    (void)state;
    assert_escapes_text("\"\\\b\f\n\r\t", "\\\"\\\\\\b\\f\\n\\r\\t");
    assert_escapes("\0\x01\x1f\x0b", 4, "\\u0000\\u0001\\u001f\\u000b");
    assert_escapes_text("\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m");
}

static void invalid_utf8_becomes_replacement_characters(void **state)
{
    (void)state;
    assert_escapes_text("\xff", BAD);
    assert_escapes_text("\x80", BAD);
    assert_escapes_text("\xc0\xaf", BAD BAD);
    assert_escapes_text("\xc3", BAD);
    assert_escapes_text("\xc3\"", BAD "\\\"");
    assert_escapes_text("\xe0\x80\x80", BAD BAD BAD);
    assert_escapes_text("\xe2\x82", BAD BAD);
    assert_escapes_text("\xe2\x82\n", BAD BAD "\\n");
    assert_escapes_text("\xed\xa0\x80", BAD BAD BAD);
    assert_escapes_text("\xf0\x80\x80\x80", BAD BAD BAD BAD);
    assert_escapes_text("\xf4\x90\x80\x80", BAD BAD BAD BAD);
    assert_escapes_text("\xf5\x80\x80\x80", BAD BAD BAD BAD);
    assert_escapes_text("\xf0\x9f\x98", BAD BAD BAD);
    assert_escapes_text("\xc3\xc3\xa9", BAD "\xc3\xa9");
}

static void every_pair_of_bytes_gives_valid_json(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        lx_auto(buf) struct lx_buf out = LX_BUF_INIT(8192);
        assert_int_equal(lx_buf_addc(&out, '"', NULL), 0);
        for (unsigned b = 0; b < 256; b++) {
            char pair[2] = {(char)(unsigned char)a, (char)(unsigned char)b};
            assert_int_equal(lx_json_escape(&out, pair, 2, NULL), 0);
        }
        assert_int_equal(lx_buf_addc(&out, '"', NULL), 0);
        lx_auto(json) json_t *value = NULL;
        struct lx_err err = {0};
        if (lx_json_parse(out.data, out.len, &value, &err) < 0)
            fail_msg("first byte %02x: %s", a, err.text);
        if (a < 0x80) /* every single byte below 0x80 came back */
            for (unsigned b = 0; b < 0x80; b++)
                assert_int_equal(json_string_value(value)[2 * b + 1], (char)b);
    }
}

static void a_text_that_does_not_fit_leaves_the_buffer(void **state)
{
    (void)state;
    const char *text = "abc\n\xff def";
    size_t full = strlen("abc\\n" BAD " def");
    for (size_t max = 1; max <= full; max++) {
        struct lx_err err = {0};
        lx_auto(buf) struct lx_buf out = LX_BUF_INIT(max);
        assert_int_equal(lx_buf_adds(&out, "x", NULL), 0);
        assert_int_equal(lx_json_escape(&out, text, strlen(text), &err), -1);
        assert_int_equal(err.code, LX_E_LIMIT);
        assert_string_equal(lx_buf_str(&out), "x");
    }
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(full);
    assert_int_equal(lx_json_escape(&out, text, strlen(text), NULL), 0);
    assert_string_equal(lx_buf_str(&out), "abc\\n" BAD " def");
}

static void sequences_have_their_lengths(void **state)
{
    (void)state;
    assert_int_equal(lx_utf8_sequence("a", 1), 1);
    assert_int_equal(lx_utf8_sequence("\xc3\xa9", 2), 2);
    assert_int_equal(lx_utf8_sequence("\xe2\x82\xac", 3), 3);
    assert_int_equal(lx_utf8_sequence("\xf0\x9f\x98\x80", 4), 4);
    assert_int_equal(lx_utf8_sequence("\xf0\x9f\x98\x80", 3), 0);
    assert_int_equal(lx_utf8_sequence("\xa9", 1), 0);
    assert_int_equal(lx_utf8_sequence("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_goes_through),
        cmocka_unit_test(what_json_needs_escaped_is),
        cmocka_unit_test(invalid_utf8_becomes_replacement_characters),
        cmocka_unit_test(every_pair_of_bytes_gives_valid_json),
        cmocka_unit_test(a_text_that_does_not_fit_leaves_the_buffer),
        cmocka_unit_test(sequences_have_their_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
