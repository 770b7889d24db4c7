#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lunexec/rand.h"
#include "policy/frame.h"
#include "policy/value_json.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct lx_err err;
    if (lx_json_parse(text, strlen(text), &value, &err))
        fail_msg("%s: %s", text, err.text);
    return value;
}

static void check_round_trip(const json_t *value)
{
    struct lx_buf bytes = LX_FRAME_BUF_INIT;
    json_t *back = NULL;
    assert_int_equal(lx_value_put_json(&bytes, value, NULL), 0);
    struct lx_value_reader reader = {.at = bytes.data, .end = bytes.data + bytes.len};
    assert_int_equal(lx_value_get_json(&reader, &back, NULL), 0);
    assert_ptr_equal(reader.at, reader.end);
    assert_true(json_equal(value, back));
    json_decref(back);
    lx_buf_done(&bytes);
}

static void test_every_kind_survives(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "-1e300",
        "\"\"",
        "\"text\"",
        "\"a\\u0000b\"",
        "\"\\u00e4\\ud83d\\ude00\"",
        "[]",
        "{}",
        "[[],{},[null]]",
        "{\"\":{\"a\":[1,2.25,\"x\",false]},\"\\u00e4\":null}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *value = parse(texts[i]);
        check_round_trip(value);
        json_decref(value);
    }
}

static json_t *nested(size_t depth)
{
    json_t *value = json_array();
    for (size_t i = 0; i < depth; i++)
        value = json_pack("[o]", value);
    return value;
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    struct lx_buf bytes = LX_FRAME_BUF_INIT;
    struct lx_err err;
    json_t *deepest = nested(LX_VALUE_DEPTH_MAX), *deeper = nested(LX_VALUE_DEPTH_MAX + 1);
    check_round_trip(deepest);
    assert_int_equal(lx_value_put_json(&bytes, deeper, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    json_decref(deepest);
    json_decref(deeper);
    lx_buf_done(&bytes);
}

static void test_count_is_limited(void **state)
{
    (void)state;
    struct lx_buf bytes = LX_FRAME_BUF_INIT;
    struct lx_err err;
    json_t *list = json_array();
    for (size_t i = 0; i < LX_VALUE_NODES_MAX; i++)
        json_array_append_new(list, json_null());
    assert_int_equal(lx_value_put_json(&bytes, list, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    json_array_remove(list, 0);
    check_round_trip(list);
    json_decref(list);
    lx_buf_done(&bytes);
}

static void check_refused(const char *bytes, size_t len)
{
    json_t *value = NULL;
    struct lx_err err;
    struct lx_value_reader reader = {.at = bytes, .end = bytes + len};
    assert_int_equal(lx_value_get_json(&reader, &value, &err), -1);
    assert_int_equal(err.code, LX_E_PEER);
    assert_null(value);
}

static void test_malformed_bytes_are_refused(void **state)
{
    (void)state;
    check_refused("", 0);
    check_refused("\x08", 1);                                          /* no such kind */
    check_refused("\x03\x01\x02", 3);                                  /* cut integer */
    check_refused("\x05\x02\x00\x00\x00x", 6);                         /* cut string */
    check_refused("\x05\x01\x00\x00\x00\xff", 6);                      /* not UTF-8 */
    check_refused("\x06\xff\xff\xff\xff", 5);                          /* count without items */
    check_refused("\x06\x02\x00\x00\x00\x00", 6);                      /* one item too few */
    check_refused("\x07\x01\x00\x00\x00\x01\x00\x00\x00\xff\x00", 11); /* key not UTF-8 */
    check_refused("\x07\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00", 11); /* NUL in a key */
    check_refused("\x07\x02\x00\x00\x00\x01\x00\x00\x00k\x00\x01\x00\x00\x00k\x00", 17); /* twice */
    check_refused("\x04\x00\x00\x00\x00\x00\x00\xf0\x7f", 9); /* infinity */
}

/* Whatever the bytes, reading them ends and gives either a value or an error. */
static void test_random_bytes_do_no_harm(void **state)
{
    (void)state;
    struct lx_rand rand;
    size_t good = 0;
    lx_rand_init(&rand, 42);
    for (int run = 0; run < 20000; run++) {
        char bytes[64];
        size_t len = lx_rand_below(&rand, sizeof bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)lx_rand_below(&rand, lx_rand_below(&rand, 2) ? 9 : 256);
        json_t *value = NULL;
        struct lx_value_reader reader = {.at = bytes, .end = bytes + len};
        if (lx_value_get_json(&reader, &value, NULL) == 0) {
            good++;
            check_round_trip(value);
        }
        json_decref(value);
    }
    assert_true(good > 100);
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe1\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "a\xff"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(lx_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(lx_utf8_valid(bad[i], strlen(bad[i])));
}

static void test_frames_come_whole(void **state)
{
    (void)state;
    struct lx_buf frame = LX_FRAME_BUF_INIT, in = LX_FRAME_BUF_INIT;
    const char *data = NULL;
    size_t len = 0, missing = 0;
    assert_int_equal(lx_frame_begin(&frame, NULL), 0);
    assert_int_equal(lx_buf_adds(&frame, "hello", NULL), 0);
    lx_frame_seal(&frame);
    for (size_t i = 0; i < frame.len; i++) {
        assert_int_equal(lx_frame_peek(&in, &data, &len, &missing, NULL), 0);
        assert_int_equal(missing, i < 4 ? 4 - i : frame.len - i);
        assert_int_equal(lx_buf_addc(&in, frame.data[i], NULL), 0);
    }
    assert_int_equal(lx_frame_peek(&in, &data, &len, &missing, NULL), 1);
    assert_int_equal(len, 5);
    assert_memory_equal(data, "hello", 5);
    lx_buf_done(&frame);
    lx_buf_done(&in);
}

static void test_long_frames_are_refused(void **state)
{
    (void)state;
    struct lx_buf in = LX_FRAME_BUF_INIT;
    struct lx_err err;
    const char *data = NULL;
    size_t len = 0, missing = 0;
    assert_int_equal(lx_buf_add(&in, "\x01\x00\x80\x00", 4, NULL), 0); /* 8 MiB + 1 */
    assert_int_equal(lx_frame_peek(&in, &data, &len, &missing, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    lx_buf_done(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_survives),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_count_is_limited),
        cmocka_unit_test(test_malformed_bytes_are_refused),
        cmocka_unit_test(test_random_bytes_do_no_harm),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_frames_come_whole),
        cmocka_unit_test(test_long_frames_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
