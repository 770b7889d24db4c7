#include "lunexec/backoff.h"

#include "unit.h"

#include <limits.h>
#include <string.h>

static void delays_double_up_to_the_maximum_with_jitter(void **state)
{
    (void)state;
    struct lx_rand rand;
    uint64_t highest[8] = {0}, lowest[8];
    memset(lowest, 0xff, sizeof(lowest));
    lx_rand_init(&rand, 7);
    for (int round = 0; round < 2000; round++) {
        struct lx_backoff backoff = {.base_ms = 100, .max_ms = 1000};
        for (int i = 0; i < 8; i++) {
            uint64_t delay = lx_backoff_next(&backoff, &rand);
            highest[i] = delay > highest[i] ? delay : highest[i];
            lowest[i] = delay < lowest[i] ? delay : lowest[i];
        }
    }
    static const uint64_t ceiling[8] = {100, 200, 400, 800, 1000, 1000, 1000, 1000};
    assert_int_equal(highest[0], 100);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(lowest[i], 100);
        assert_true(highest[i] <= ceiling[i]);
        assert_true(highest[i] >= ceiling[i] * 95 / 100);
    }
}

static void a_reset_starts_over(void **state)
{
    (void)state;
    struct lx_rand rand;
    struct lx_backoff backoff = {.base_ms = 100, .max_ms = 60000};
    lx_rand_init(&rand, 7);
    for (int i = 0; i < 20; i++)
        (void)lx_backoff_next(&backoff, &rand);
    lx_backoff_reset(&backoff);
    assert_int_equal(lx_backoff_next(&backoff, &rand), 100);
}

static void endless_failure_overflows_nothing(void **state)
{
    (void)state;
    struct lx_rand rand;
    struct lx_backoff backoff = {.base_ms = 3, .max_ms = 5000, .attempt = 60};
    lx_rand_init(&rand, 7);
    for (int i = 0; i < 10; i++)
        assert_in_range(lx_backoff_next(&backoff, &rand), 3, 4999);
    backoff.attempt = UINT_MAX;
    assert_in_range(lx_backoff_next(&backoff, &rand), 3, 4999);
    assert_in_range(lx_backoff_next(&backoff, &rand), 3, 4999);
}

static void tokens_admit_a_burst_then_the_rate(void **state)
{
    (void)state;
    struct lx_bucket tokens;
    lx_bucket_init(&tokens, 10, 3, 1000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(lx_bucket_take(&tokens, 1000), 0);
    assert_int_equal(lx_bucket_take(&tokens, 1000), 100);
    assert_int_equal(lx_bucket_take(&tokens, 1050), 50);
    assert_int_equal(lx_bucket_take(&tokens, 1100), 0);
    assert_int_equal(lx_bucket_take(&tokens, 1100), 100);
    for (int i = 0; i < 3; i++)
        assert_int_equal(lx_bucket_take(&tokens, 100000), 0);
    assert_true(lx_bucket_take(&tokens, 100000) > 0);
}

static void waiting_as_told_is_enough(void **state)
{
    (void)state;
    struct lx_bucket tokens;
    uint64_t now = 5;
    lx_bucket_init(&tokens, 7, 1, now);
    assert_int_equal(lx_bucket_take(&tokens, now), 0);
    for (int i = 0; i < 100; i++) {
        uint64_t wait = lx_bucket_take(&tokens, now);
        assert_in_range(wait, 1, 144);
        now += wait;
        assert_int_equal(lx_bucket_take(&tokens, now), 0);
    }
    assert_in_range(now, 14200, 14500);
}

static void a_rate_of_nothing_never_admits(void **state)
{
    (void)state;
    struct lx_bucket tokens;
    lx_bucket_init(&tokens, 0, 1, 0);
    assert_int_equal(lx_bucket_take(&tokens, 0), 0);
    assert_true(lx_bucket_take(&tokens, 1u << 30) == UINT64_MAX);
    lx_bucket_init(&tokens, 5, 0, 0);
    assert_true(lx_bucket_take(&tokens, 1u << 30) == UINT64_MAX);
}

static void a_clock_that_stands_gives_no_tokens(void **state)
{
    (void)state;
    struct lx_bucket tokens;
    lx_bucket_init(&tokens, 1000, 1, 1000);
    assert_int_equal(lx_bucket_take(&tokens, 1000), 0);
    assert_int_equal(lx_bucket_take(&tokens, 900), 1);
    assert_int_equal(lx_bucket_take(&tokens, 1000), 1);
}

static void random_numbers_stay_below_and_repeat_with_the_seed(void **state)
{
    (void)state;
    struct lx_rand a, b, c;
    unsigned seen[7] = {0};
    lx_rand_init(&a, 42);
    lx_rand_init(&b, 42);
    for (int i = 0; i < 7000; i++) {
        uint64_t value = lx_rand_below(&a, 7);
        assert_int_equal(lx_rand_below(&b, 7), value);
        assert_in_range(value, 0, 6);
        seen[value]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_int_equal(lx_rand_below(&a, 0), 0);
    assert_int_equal(lx_rand_below(&a, 1), 0);
    lx_rand_init(&a, 0);
    lx_rand_init(&c, 0);
    assert_true(lx_rand_below(&a, UINT64_MAX) != lx_rand_below(&c, UINT64_MAX));
}

static void uuids_have_the_form_of_version_four(void **state)
{
    (void)state;
    char one[LX_UUID_SIZE], two[LX_UUID_SIZE];
    for (int i = 0; i < 100; i++) {
        assert_int_equal(lx_uuid4(one, NULL), 0);
        assert_int_equal(lx_uuid4(two, NULL), 0);
        assert_string_not_equal(one, two);
        assert_int_equal(strlen(one), 36);
        assert_int_equal(strspn(one, "0123456789abcdef-"), 36);
        assert_true(one[8] == '-' && one[13] == '-' && one[18] == '-' && one[23] == '-');
        assert_int_equal(one[14], '4');
        assert_non_null(strchr("89ab", one[19]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_maximum_with_jitter),
        cmocka_unit_test(a_reset_starts_over),
        cmocka_unit_test(endless_failure_overflows_nothing),
        cmocka_unit_test(tokens_admit_a_burst_then_the_rate),
        cmocka_unit_test(waiting_as_told_is_enough),
        cmocka_unit_test(a_rate_of_nothing_never_admits),
        cmocka_unit_test(a_clock_that_stands_gives_no_tokens),
        cmocka_unit_test(random_numbers_stay_below_and_repeat_with_the_seed),
        cmocka_unit_test(uuids_have_the_form_of_version_four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
