#include "lunexec/parse.h"

#include "unit.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void whole_numbers_to_the_last_bit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"+5", 5},
        {"007", 7},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t value = 99;
        assert_int_equal(lx_parse_i64(good[i].text, &value), 0);
        assert_true(value == good[i].value);
    }
    uint64_t big = 0;
    assert_int_equal(lx_parse_u64("18446744073709551615", &big), 0);
    assert_true(big == UINT64_MAX);
}

static void what_is_not_a_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "1x",
        "x",
        "-",
        "+",
        "--1",
        "+-1",
        "0x1",
        "1.0",
        "1e3",
        "1_0",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999999",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t value = 99;
        assert_int_equal(lx_parse_i64(bad[i], &value), -1);
        assert_int_equal(value, 99);
    }
    static const char *const not_unsigned[] = {"-1", "+1", "", "18446744073709551616", "1 "};
    for (size_t i = 0; i < COUNT(not_unsigned); i++) {
        uint64_t value = 99;
        assert_int_equal(lx_parse_u64(not_unsigned[i], &value), -1);
        assert_int_equal(value, 99);
    }
    int64_t value;
    assert_int_equal(lx_parse_i64(NULL, &value), -1);
}

static void truth_is_spelled_as_in_go(void **state)
{
    (void)state;
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    static const char *const neither[] = {"", "yes", "on", "tRUE", "2", " true", "true "};
    for (size_t i = 0; i < 6; i++) {
        bool value = false;
        assert_int_equal(lx_parse_bool(yes[i], &value), 0);
        assert_true(value);
        assert_int_equal(lx_parse_bool(no[i], &value), 0);
        assert_false(value);
    }
    for (size_t i = 0; i < COUNT(neither); i++) {
        bool value = true;
        assert_int_equal(lx_parse_bool(neither[i], &value), -1);
        assert_true(value);
    }
}

static void durations_read_as_in_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"+0", 0},
        {"0s", 0},
        {"5s", 5000},
        {"+5s", 5000},
        {"-5s", -5000},
        {"1h30m", 5400000},
        {"1h15m30.918s", 4530918},
        {"1.5s", 1500},
        {".5s", 500},
        {"5.s", 5000},
        {"250ms", 250},
        {"0.1h", 360000},
        {"1500us", 1},
        {"1999\xC2\xB5s", 1},
        {"2000\xCE\xBCs", 2},
        {"-1999999ns", -1},
        {"3m3m", 360000},
        {"0.9999999999999999999999s", 1000},
        {"0.3333333333333333333h", 1200000},
        {"9223372036854775807ns", 9223372036854},
        {"9223372036.854775807s", 9223372036854},
        {"-9223372036854775808ns", -9223372036854},
        {"2562047h47m16.854775807s", 9223372036854},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ms = 99;
        if (lx_parse_duration_ms(good[i].text, &ms) < 0)
            fail_msg("refused: %s", good[i].text);
        if (ms != good[i].ms)
            fail_msg("%s gave %lld", good[i].text, (long long)ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "3",
        "-",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "1 s",
        " 1s",
        "1s ",
        "1S",
        "1hs",
        "1h-5m",
        "--5s",
        "1e3s",
        "0x1s",
        "1.2.3s",
        "5m 3s",
        "00",
        "1min",
        "1\xC2s",
        "\xff s",
        "3000000h",
        "9223372036854775808ns",
        "-9223372036854775809ns",
        "9223372036854775.808us",
        "99999999999999999999999s",
        "9223372036854ms775us808ns9h",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms = 99;
        if (lx_parse_duration_ms(bad[i], &ms) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(ms, 99);
    }
}

static void durations_print_as_in_go(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } good[] = {
        {0, "0s"},
        {1, "1ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1500, "1.5s"},
        {1050, "1.05s"},
        {60000, "1m0s"},
        {1800000, "30m0s"},
        {3600000, "1h0m0s"},
        {5400001, "1h30m0.001s"},
        {-250, "-250ms"},
        {-61000, "-1m1s"},
        {INT64_MAX, "2562047788015h12m55.807s"},
        {INT64_MIN, "-2562047788015h12m55.808s"},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[LX_DURATION_SIZE];
        lx_format_duration(good[i].ms, text);
        assert_string_equal(text, good[i].text);
    }
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    for (int64_t step = 0; step < 10000000000; step += 1 + step / 50) {
        for (int64_t ms = -step; ms <= step; ms += step ? 2 * step : 1) {
            char text[LX_DURATION_SIZE];
            int64_t back = 0;
            lx_format_duration(ms, text);
            assert_int_equal(lx_parse_duration_ms(text, &back), 0);
            if (back != ms)
                fail_msg("%lld became %s became %lld", (long long)ms, text, (long long)back);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_to_the_last_bit),
        cmocka_unit_test(what_is_not_a_number_is_refused),
        cmocka_unit_test(truth_is_spelled_as_in_go),
        cmocka_unit_test(durations_read_as_in_go),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(durations_print_as_in_go),
        cmocka_unit_test(what_is_printed_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
