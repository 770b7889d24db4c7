#include "lunexec/buf.h"
#include "lunexec/list.h"
#include "lunexec/mem.h"

#include "unit.h"

#include <string.h>

static void it_grows_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf buf = LX_BUF_INIT(1000);
    struct lx_err err = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lx_buf_addc(&buf, 'x', &err), 0);
    assert_int_equal(lx_buf_addc(&buf, 'x', &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_int_equal(lx_buf_adds(&buf, "xy", NULL), -1);
    assert_int_equal(lx_buf_addf(&buf, NULL, "%d", 5), -1);
    assert_null(lx_buf_reserve(&buf, 1, NULL));
    assert_int_equal(buf.len, 1000);
    assert_int_equal(strlen(buf.data), 1000);
    assert_int_equal(lx_buf_add(&buf, "", 0, NULL), 0);
}

static void sizes_that_would_overflow_are_refused(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf buf = LX_BUF_INIT(SIZE_MAX);
    assert_int_equal(lx_buf_adds(&buf, "abc", NULL), 0);
    for (size_t less = 0; less < 8; less++) {
        assert_int_equal(lx_buf_add(&buf, "x", SIZE_MAX - less, NULL), -1);
        assert_null(lx_buf_reserve(&buf, SIZE_MAX - less, NULL));
    }
    assert_string_equal(buf.data, "abc");
}

static void a_failed_addition_changes_nothing(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf buf = LX_BUF_INIT(5);
    assert_int_equal(lx_buf_adds(&buf, "abc", NULL), 0);
    assert_int_equal(lx_buf_adds(&buf, "def", NULL), -1);
    assert_string_equal(lx_buf_str(&buf), "abc");
    assert_int_equal(lx_buf_addf(&buf, NULL, "%s", "def"), -1);
    assert_string_equal(lx_buf_str(&buf), "abc");
    assert_int_equal(lx_buf_addf(&buf, NULL, "%s", "de"), 0);
    assert_string_equal(lx_buf_str(&buf), "abcde");
}

static void an_empty_one_is_an_empty_string(void **state)
{
    (void)state;
    struct lx_buf buf;
    lx_buf_init(&buf, 0);
    assert_string_equal(lx_buf_str(&buf), "");
    assert_int_equal(lx_buf_addc(&buf, 'x', NULL), -1);
    lx_auto(str) char *taken = lx_buf_take(&buf);
    assert_string_equal(taken, "");
    lx_buf_consume(&buf, 0);
    lx_buf_reset(&buf);
    lx_buf_done(&buf);
    lx_buf_done(NULL);
}

static void consuming_drops_from_the_front(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf buf = LX_BUF_INIT(16);
    assert_int_equal(lx_buf_adds(&buf, "abcdef", NULL), 0);
    lx_buf_consume(&buf, 4);
    assert_string_equal(lx_buf_str(&buf), "ef");
    lx_buf_consume(&buf, 2);
    assert_string_equal(lx_buf_str(&buf), "");
}

static void reserved_room_is_filled_by_the_caller(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf buf = LX_BUF_INIT(8);
    assert_int_equal(lx_buf_adds(&buf, "ab", NULL), 0);
    char *at = lx_buf_reserve(&buf, 6, NULL);
    assert_non_null(at);
    memcpy(at, "cdefgh", 6);
    buf.len += 6;
    assert_int_equal(lx_buf_add(&buf, "", 0, NULL), 0);
    assert_string_equal(lx_buf_str(&buf), "abcdefgh");
}

static void taking_hands_over_and_leaves_the_maximum(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf buf = LX_BUF_INIT(4);
    assert_int_equal(lx_buf_adds(&buf, "abcd", NULL), 0);
    lx_auto(str) char *text = lx_buf_take(&buf);
    assert_string_equal(text, "abcd");
    assert_int_equal(buf.len, 0);
    assert_int_equal(lx_buf_adds(&buf, "abcde", NULL), -1);
    assert_int_equal(lx_buf_adds(&buf, "wxyz", NULL), 0);
    assert_string_equal(text, "abcd");
}

static void any_byte_may_be_in_it(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf buf = LX_BUF_INIT(8);
    assert_int_equal(lx_buf_add(&buf, "a\0b", 3, NULL), 0);
    assert_int_equal(buf.len, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
}

struct item {
    int number;
    struct lx_list link;
};

static void a_list_keeps_order_and_survives_removal_while_walked(void **state)
{
    (void)state;
    struct lx_list list;
    struct item items[5];
    lx_list_init(&list);
    assert_null(lx_list_shift(&list));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        lx_list_init(&items[i].link);
        lx_list_push(&list, &items[i].link);
    }
    lx_list_each (it, &list) {
        if (lx_container_of(it, struct item, link)->number % 2)
            lx_list_remove(it);
    }
    lx_list_remove(&items[1].link);
    for (int i = 0; i < 5; i += 2)
        assert_int_equal(lx_container_of(lx_list_shift(&list), struct item, link)->number, i);
    assert_true(lx_list_empty(&list));
}

static void copies_are_ended_and_nothing_is_nothing(void **state)
{
    (void)state;
    lx_auto(str) char *some = lx_strndup("abcdef", 3);
    assert_string_equal(some, "abc");
    assert_null(lx_strdup(NULL));
    lx_auto(str) char *none = lx_strndup(NULL, 0);
    assert_string_equal(none, "");
    lx_auto(str) char *made = lx_strf("%s-%d", some, 7);
    assert_string_equal(made, "abc-7");
    char *moved = lx_take(made);
    assert_null(made);
    free(moved);
    unsigned char *zero = lx_alloc_array(3, 5);
    for (int i = 0; i < 15; i++)
        assert_int_equal(zero[i], 0);
    free(zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(sizes_that_would_overflow_are_refused),
        cmocka_unit_test(a_failed_addition_changes_nothing),
        cmocka_unit_test(an_empty_one_is_an_empty_string),
        cmocka_unit_test(consuming_drops_from_the_front),
        cmocka_unit_test(reserved_room_is_filled_by_the_caller),
        cmocka_unit_test(taking_hands_over_and_leaves_the_maximum),
        cmocka_unit_test(any_byte_may_be_in_it),
        cmocka_unit_test(a_list_keeps_order_and_survives_removal_while_walked),
        cmocka_unit_test(copies_are_ended_and_nothing_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
