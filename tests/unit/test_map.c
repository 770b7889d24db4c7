#include "lunexec/buf.h"
#include "lunexec/map.h"
#include "lunexec/mem.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static void append_key(const char *key, void *value, void *arg)
{
    (void)value;
    assert_int_equal(lx_buf_addf(arg, NULL, "%s ", key), 0);
}

static void assert_keys(const struct lx_map *map, const char *keys)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(256);
    lx_map_each (map, append_key, &out)
        ;
    assert_string_equal(lx_buf_str(&out), keys);
}

static void values_are_found_by_equal_keys(void **state)
{
    (void)state;
    int a, b;
    char key[] = "alpha";
    struct lx_map *map = lx_map_new(4, NULL);
    assert_true(lx_map_put(map, key, &a));
    key[0] = 'A'; /* the map has its own copy */
    assert_true(lx_map_put(map, "", &b));
    assert_ptr_equal(lx_map_get(map, "alpha"), &a);
    assert_ptr_equal(lx_map_get(map, ""), &b);
    assert_null(lx_map_get(map, "Alpha"));
    assert_null(lx_map_get(map, "alph"));
    assert_int_equal(lx_map_count(map), 2);
    lx_map_free(map);
    lx_map_free(NULL);
}

static void walking_is_in_order_of_insertion(void **state)
{
    (void)state;
    int v;
    struct lx_map *map = lx_map_new(10, NULL);
    const char *const keys[] = {"z", "a", "m", "b"};
    for (int i = 0; i < 4; i++)
        assert_true(lx_map_put(map, keys[i], &v));
    assert_true(lx_map_put(map, "a", &v)); /* replacing keeps the place */
    assert_keys(map, "z a m b ");
    assert_ptr_equal(lx_map_remove(map, "a"), &v);
    assert_keys(map, "z m b ");
    assert_true(lx_map_put(map, "a", &v)); /* a new entry goes last */
    assert_keys(map, "z m b a ");
    assert_ptr_equal(lx_map_remove(map, "z"), &v);
    assert_ptr_equal(lx_map_remove(map, "a"), &v);
    assert_null(lx_map_remove(map, "a"));
    assert_keys(map, "m b ");
    lx_map_free(map);
}

static void a_full_map_takes_no_new_key_but_replaces(void **state)
{
    (void)state;
    int a, b;
    struct lx_map *map = lx_map_new(2, NULL);
    assert_true(lx_map_put(map, "1", &a));
    assert_true(lx_map_put(map, "2", &a));
    assert_false(lx_map_put(map, "3", &a));
    assert_null(lx_map_get(map, "3"));
    assert_true(lx_map_put(map, "2", &b));
    assert_ptr_equal(lx_map_get(map, "2"), &b);
    (void)lx_map_remove(map, "1");
    assert_true(lx_map_put(map, "3", &a));
    lx_map_free(map);
}

static void bump(void *value)
{
    ++*(int *)value;
}

static void each_value_is_released_once(void **state)
{
    (void)state;
    int released[5] = {0};
    struct lx_map *map = lx_map_new(3, bump);
    assert_true(lx_map_put(map, "a", &released[0]));
    assert_true(lx_map_put(map, "a", &released[0]));
    assert_int_equal(released[0], 0);
    assert_true(lx_map_put(map, "a", &released[1]));
    assert_int_equal(released[0], 1);
    assert_true(lx_map_put(map, "b", &released[2]));
    assert_true(lx_map_put(map, "c", &released[3]));
    assert_false(lx_map_put(map, "d", &released[4]));
    assert_ptr_equal(lx_map_remove(map, "b"), &released[2]);
    lx_map_free(map);
    static const int expected[5] = {1, 1, 0, 1, 0};
    assert_memory_equal(released, expected, sizeof(expected));
}

static void many_keys_of_every_length_are_kept_apart(void **state)
{
    (void)state;
    static int values[5000];
    struct lx_map *map = lx_map_new(5000, NULL);
    char key[64];
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(key, sizeof(key), "%.*s%d", i % 20, "kkkkkkkkkkkkkkkkkkkk", i);
        assert_true(lx_map_put(map, key, &values[i]));
    }
    assert_false(lx_map_put(map, "one more", values));
    for (int i = 0; i < 5000; i += 2) {
        (void)snprintf(key, sizeof(key), "%.*s%d", i % 20, "kkkkkkkkkkkkkkkkkkkk", i);
        assert_ptr_equal(lx_map_remove(map, key), &values[i]);
    }
    assert_int_equal(lx_map_count(map), 2500);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(key, sizeof(key), "%.*s%d", i % 20, "kkkkkkkkkkkkkkkkkkkk", i);
        assert_ptr_equal(lx_map_get(map, key), i % 2 ? &values[i] : NULL);
    }
    lx_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_equal_keys),
        cmocka_unit_test(walking_is_in_order_of_insertion),
        cmocka_unit_test(a_full_map_takes_no_new_key_but_replaces),
        cmocka_unit_test(each_value_is_released_once),
        cmocka_unit_test(many_keys_of_every_length_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
