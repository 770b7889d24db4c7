#include "lunexec/clock.h"

#include "unit.h"

#include <string.h>

static void assert_prints(time_t seconds, long ns, const char *text)
{
    char out[LX_RFC3339_SIZE];
    lx_rfc3339((struct timespec){.tv_sec = seconds, .tv_nsec = ns}, out);
    assert_string_equal(out, text);
}

static void times_are_printed_as_go_does(void **state)
{
    (void)state;
    assert_prints(0, 0, "1970-01-01T00:00:00Z");
    assert_prints(1587396557, 123456789, "2020-04-20T15:29:17.123456789Z");
    assert_prints(1587396557, 120000000, "2020-04-20T15:29:17.12Z");
    assert_prints(1587396557, 1, "2020-04-20T15:29:17.000000001Z");
    assert_prints(-1, 0, "1969-12-31T23:59:59Z");
    assert_prints(-62135596800, 0, "0001-01-01T00:00:00Z"); /* Go's zero time */
    assert_prints(253402300799, 999999999, "9999-12-31T23:59:59.999999999Z");
}

static void assert_parses(const char *text, time_t seconds, long ns)
{
    struct timespec when = {0};
    if (lx_rfc3339_parse(text, strlen(text), &when) < 0)
        fail_msg("refused: %s", text);
    assert_int_equal(when.tv_sec, seconds);
    assert_int_equal(when.tv_nsec, ns);
}

static void times_are_parsed_in_any_zone(void **state)
{
    (void)state;
    assert_parses("2020-04-20T15:29:17Z", 1587396557, 0);
    assert_parses("2020-04-20T15:29:17.123456789Z", 1587396557, 123456789);
    assert_parses("2020-04-20T15:29:17.5Z", 1587396557, 500000000);
    assert_parses("2020-04-20T15:29:17.1234567899999Z", 1587396557, 123456789);
    assert_parses("2020-04-20T17:29:17+02:00", 1587396557, 0);
    assert_parses("2020-04-20T10:59:17.25-04:30", 1587396557, 250000000);
    assert_parses("2020-02-29T00:00:00Z", 1582934400, 0);
    assert_parses("2000-02-29T00:00:00Z", 951782400, 0);
    assert_parses("0001-01-01T00:00:00Z", -62135596800, 0);
}

static void what_is_not_rfc3339_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2020-04-20",
        "2020-04-20T15:29:17",
        "2020-04-20 15:29:17Z",
        "2020-04-20T15:29:17.Z",
        "2020-04-20T15:29:17,5Z",
        "2020-04-20T15:29:17Zx",
        "2020-04-20T15:29:17+0200",
        "2020-04-20T15:29:17+24:00",
        "2020-04-20T15:29:17+01:60",
        "2020-04-20T24:00:00Z",
        "2020-04-20T15:60:00Z",
        "2020-04-20T15:29:60Z",
        "2020-04-31T00:00:00Z",
        "2021-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2020-13-01T00:00:00Z",
        "2020-00-01T00:00:00Z",
        "2020-01-00T00:00:00Z",
        "20-01-01T00:00:00Z",
        "-020-01-01T00:00:00Z",
        "2020-04-20T15:29:1 Z",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct timespec when = {.tv_sec = 42, .tv_nsec = 43};
        if (lx_rfc3339_parse(bad[i], strlen(bad[i]), &when) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(when.tv_sec, 42);
        assert_int_equal(when.tv_nsec, 43);
    }
}

static void only_the_given_length_is_read(void **state)
{
    (void)state;
    struct timespec when;
    const char *line = "2020-04-20T15:29:17Z the log line";
    assert_int_equal(lx_rfc3339_parse(line, 20, &when), 0);
    assert_int_equal(lx_rfc3339_parse(line, 19, &when), -1);
    assert_int_equal(lx_rfc3339_parse(line, 21, &when), -1);
}

static void what_is_printed_parses(void **state)
{
    (void)state;
    for (time_t t = -4000000000; t < 8000000000; t += 86399 * 17) {
        char text[LX_RFC3339_SIZE];
        struct timespec in = {.tv_sec = t, .tv_nsec = (long)((uint64_t)t % 1000000000u)}, out;
        lx_rfc3339(in, text);
        assert_int_equal(lx_rfc3339_parse(text, strlen(text), &out), 0);
        assert_int_equal(out.tv_sec, in.tv_sec);
        assert_int_equal(out.tv_nsec, in.tv_nsec);
    }
}

static void the_steady_clock_only_goes_on(void **state)
{
    (void)state;
    uint64_t last = lx_now_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = lx_now_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(lx_now_ms() >= last / 1000000u);
    assert_true(lx_wall().tv_sec > 1600000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_printed_as_go_does),
        cmocka_unit_test(times_are_parsed_in_any_zone),
        cmocka_unit_test(what_is_not_rfc3339_is_refused),
        cmocka_unit_test(only_the_given_length_is_read),
        cmocka_unit_test(what_is_printed_parses),
        cmocka_unit_test(the_steady_clock_only_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
