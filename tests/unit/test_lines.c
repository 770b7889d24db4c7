#include "lunexec/lines.h"

#include "lunexec/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    struct lx_buf text; /* "[line]" each */
    int stop_after;     /* 0: never */
};

static int on_line(void *arg, const char *line, size_t len)
{
    struct seen *seen = arg;
    assert_int_equal(lx_buf_addc(&seen->text, '[', NULL), 0);
    assert_int_equal(lx_buf_add(&seen->text, line, len, NULL), 0);
    assert_int_equal(lx_buf_addc(&seen->text, ']', NULL), 0);
    return seen->stop_after && --seen->stop_after == 0;
}

static void check_chunks(const char *input, size_t chunk, const char *expected)
{
    struct seen seen = {.text = LX_BUF_INIT(100000)};
    struct lx_lines lines;
    lx_lines_init(&lines, 100, on_line, &seen);
    size_t len = strlen(input);
    for (size_t at = 0; at < len; at += chunk) {
        size_t part = len - at < chunk ? len - at : chunk;
        assert_int_equal(lx_lines_feed(&lines, input + at, part, NULL), 0);
    }
    assert_int_equal(lx_lines_end(&lines, NULL), 0);
    assert_string_equal(lx_buf_str(&seen.text), expected);
    lx_lines_done(&lines);
    lx_buf_done(&seen.text);
}

static void test_any_chunks(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk <= 20; chunk++) {
        check_chunks("one\ntwo\n\nthree\r\nlast", chunk, "[one][two][][three\r][last]");
        check_chunks("a\nb\n", chunk, "[a][b]");
        check_chunks("\n", chunk, "[]");
    }
}

static void test_end_without_rest(void **state)
{
    (void)state;
    check_chunks("", 1, "");
    check_chunks("x\n", 2, "[x]");
}

static void check_limit(size_t line, size_t chunk, bool ok)
{
    struct seen seen = {.text = LX_BUF_INIT(100000)};
    struct lx_lines lines;
    struct lx_err err = {0};
    int rc = 0;
    lx_lines_init(&lines, 10, on_line, &seen);
    lx_auto(str) char *text = lx_alloc(line + 2);
    memset(text, 'x', line);
    text[line] = '\n';
    for (size_t at = 0; rc == 0 && at < line + 1; at += chunk) {
        size_t part = line + 1 - at < chunk ? line + 1 - at : chunk;
        rc = lx_lines_feed(&lines, text + at, part, &err);
    }
    assert_int_equal(rc, ok ? 0 : -1);
    assert_int_equal(err.code, ok ? LX_OK : LX_E_LIMIT);
    assert_int_equal(seen.text.len, ok ? line + 2 : 0);
    lx_lines_done(&lines);
    lx_buf_done(&seen.text);
}

static void test_limit(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk <= 13; chunk++) {
        check_limit(10, chunk, true);
        check_limit(11, chunk, false);
    }
}

static void test_unfinished_line_is_limited(void **state)
{
    struct seen seen = {.text = LX_BUF_INIT(1000)};
    struct lx_lines lines;
    struct lx_err err = {0};
    (void)state;
    lx_lines_init(&lines, 10, on_line, &seen);
    assert_int_equal(lx_lines_feed(&lines, "0123456789", 10, &err), 0);
    assert_int_equal(lx_lines_feed(&lines, "x", 1, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    lx_lines_done(&lines);
    lx_buf_done(&seen.text);
}

static void test_stop(void **state)
{
    struct seen seen = {.text = LX_BUF_INIT(1000), .stop_after = 2};
    struct lx_lines lines;
    struct lx_err err = {0};
    (void)state;
    lx_lines_init(&lines, 10, on_line, &seen);
    assert_int_equal(lx_lines_feed(&lines, "a\nb\nc\n", 6, &err), -1);
    assert_int_equal(err.code, LX_E_CANCELLED);
    assert_string_equal(lx_buf_str(&seen.text), "[a][b]");
    lx_lines_done(&lines);
    lx_buf_done(&seen.text);
}

static void test_binary(void **state)
{
    struct seen seen = {.text = LX_BUF_INIT(1000)};
    struct lx_lines lines;
    (void)state;
    lx_lines_init(&lines, 10, on_line, &seen);
    assert_int_equal(lx_lines_feed(&lines, "a\0b\nc", 5, NULL), 0);
    assert_int_equal(seen.text.len, 5);
    assert_memory_equal(seen.text.data, "[a\0b]", 5);
    lx_lines_done(&lines);
    lx_buf_done(&seen.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_chunks), cmocka_unit_test(test_end_without_rest),
        cmocka_unit_test(test_limit),      cmocka_unit_test(test_unfinished_line_is_limited),
        cmocka_unit_test(test_stop),       cmocka_unit_test(test_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
