#include "lunexec/json.h"

#include "unit.h"

#include <string.h>

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct lx_err err = {0};
    if (lx_json_parse(text, strlen(text), &value, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return value;
}

static void assert_refused(const char *text, size_t len, const char *part)
{
    json_t *value = NULL;
    struct lx_err err = {0};
    assert_int_equal(lx_json_parse(text, len, &value, &err), -1);
    assert_null(value);
    assert_int_equal(err.code, LX_E_INVALID);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void any_value_may_stand_at_the_top(void **state)
{
    (void)state;
    static const char *const texts[] = {"null", "true", "-0.5", "42", "\"x\"", "[]", "{}", " 7 \n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        json_decref(parse(texts[i]));
}

static void what_is_not_strict_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "line 1"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"[1] x", "line 1"},
        {"[1,]", "line 1"},
        {"{\"a\":\n tru}", "line 2"},
        {"\"\xff\"", "decode"},
        {"\"\xed\xa0\x80\"", "decode"},
        {"9223372036854775808", "integer"},
        {"[1e999]", "real"},
        {"{\"a\\u0000b\":1}", "NUL"},
        {"[\"\\ud800\"]", "line 1"},
        {"nan", "line 1"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(bad[i].text, strlen(bad[i].text), bad[i].part);
    assert_refused("[1]\0", 4, "line 1");
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    char deep[5000];
    memset(deep, '[', sizeof(deep));
    assert_refused(deep, sizeof(deep), "depth");
}

static void the_error_quotes_nothing_of_the_text(void **state)
{
    (void)state;
    struct lx_err err = {0};
    json_t *value = NULL;
    const char *text = "{\"token\": \"geheim\" \"more-geheim\"}";
    assert_int_equal(lx_json_parse(text, strlen(text), &value, &err), -1);
    assert_null(strstr(err.text, "geheim"));
    assert_non_null(strstr(err.text, "column"));
}

static void integers_are_exact(void **state)
{
    (void)state;
    lx_auto(json) json_t *value = parse(
        "{\"max\":9223372036854775807,\"min\":-9223372036854775808,\"odd\":9007199254740993}");
    assert_true(lx_json_int(value, "max", 0) == INT64_MAX);
    assert_true(lx_json_int(value, "min", 0) == INT64_MIN);
    lx_auto(str) char *text = lx_json_text(value);
    assert_string_equal(
        text,
        "{\"max\":9223372036854775807,\"min\":-9223372036854775808,\"odd\":9007199254740993}");
}

static void a_nul_in_a_string_is_kept(void **state)
{
    (void)state;
    lx_auto(json) json_t *value = parse("{\"a\":\"x\\u0000y\"}");
    assert_int_equal(json_string_length(json_object_get(value, "a")), 3);
    assert_string_equal(lx_json_str(value, "a", "none"), "none");
    const char *text = NULL;
    struct lx_err err = {0};
    assert_int_equal(lx_json_need_str(value, "a", &text, &err), -1);
    assert_non_null(strstr(err.text, "NUL"));
    assert_null(text);
    struct lx_buf out = LX_BUF_INIT(64);
    assert_int_equal(lx_json_dump(value, &out, NULL), 0);
    assert_string_equal(lx_buf_str(&out), "{\"a\":\"x\\u0000y\"}");
    lx_buf_done(&out);
}

static void dumping_appends_in_insertion_order(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(256);
    lx_auto(json) json_t *value = parse("{\"z\": [1, 2.5, null], \"a\": {\"k\": \"\\u00e9\\n\"}}");
    assert_int_equal(lx_buf_adds(&out, ">", NULL), 0);
    assert_int_equal(lx_json_dump(value, &out, NULL), 0);
    assert_string_equal(lx_buf_str(&out), ">{\"z\":[1,2.5,null],\"a\":{\"k\":\"\xc3\xa9\\n\"}}");
    lx_buf_reset(&out);
    assert_int_equal(lx_json_dump_pretty(value, &out, NULL), 0);
    assert_string_equal(lx_buf_str(&out),
                        "{\n  \"a\": {\n    \"k\": \"\xc3\xa9\\n\"\n  },\n  \"z\": [\n"
                        "    1,\n    2.5,\n    null\n  ]\n}\n");
}

static void a_dump_that_does_not_fit_leaves_the_buffer(void **state)
{
    (void)state;
    lx_auto(json) json_t *value = parse("[\"0123456789\",\"0123456789\"]");
    /* 27 bytes and the mark; the pretty one also has a newline that could be what does not fit. */
    for (size_t max = 1; max < 28; max++) {
        struct lx_err err = {0};
        lx_auto(buf) struct lx_buf out = LX_BUF_INIT(max);
        assert_int_equal(lx_buf_adds(&out, ">", NULL), 0);
        assert_int_equal(lx_json_dump(value, &out, &err), -1);
        assert_int_equal(err.code, LX_E_LIMIT);
        assert_string_equal(lx_buf_str(&out), ">");
        assert_int_equal(lx_json_dump_pretty(value, &out, NULL), -1);
        assert_string_equal(lx_buf_str(&out), ">");
    }
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(28);
    assert_int_equal(lx_buf_adds(&out, ">", NULL), 0);
    assert_int_equal(lx_json_dump(value, &out, NULL), 0);
}

static void a_value_that_contains_itself_is_an_error(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(256);
    struct lx_err err = {0};
    lx_auto(json) json_t *array = json_array();
    json_t *inner = json_array();
    json_array_append_new(array, inner);
    json_array_append(inner, array);
    assert_int_equal(lx_json_dump(array, &out, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
    assert_int_equal(out.len, 0);
    json_array_clear(inner);
}

static void lenient_access_falls_back(void **state)
{
    (void)state;
    lx_auto(json) json_t *v =
        parse("{\"s\":\"x\",\"i\":7,\"b\":true,\"r\":1.5,\"n\":null,\"o\":{},\"a\":[]}");
    assert_string_equal(lx_json_str(v, "s", "d"), "x");
    assert_string_equal(lx_json_str(v, "i", "d"), "d");
    assert_string_equal(lx_json_str(v, "n", "d"), "d");
    assert_null(lx_json_str(v, "absent", NULL));
    assert_int_equal(lx_json_int(v, "i", 1), 7);
    assert_int_equal(lx_json_int(v, "r", 1), 1);
    assert_int_equal(lx_json_int(NULL, "i", 1), 1);
    assert_true(lx_json_bool(v, "b", false));
    assert_true(lx_json_bool(v, "n", true));
    assert_false(lx_json_bool(v, "i", false));
    assert_non_null(lx_json_obj(v, "o"));
    assert_null(lx_json_obj(v, "a"));
    assert_non_null(lx_json_arr(v, "a"));
    assert_null(lx_json_arr(v, "o"));
    assert_null(lx_json_arr(lx_json_arr(v, "a"), "a"));
}

static void paths_lead_through_objects_and_arrays(void **state)
{
    (void)state;
    lx_auto(json) json_t *v = parse(
        "{\"status\":{\"containerStatuses\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"\":{\"x\":1}}}");
    json_t *name = lx_json_path(v, "status.containerStatuses.1.name");
    assert_string_equal(json_string_value(name), "b");
    assert_true(json_is_object(lx_json_path(v, "status.containerStatuses.0")));
    assert_int_equal(json_integer_value(lx_json_path(v, "status..x")), 1);
    static const char *const absent[] = {
        "status.containerStatuses.2",
        "status.containerStatuses.-1",
        "status.x.y",
        "status.containerStatuses.a",
        "status.containerStatuses.1.name.z",
        "stat",
        "status.containerStatuses.00000000000000000000000000000000000000001",
        "",
    };
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_null(lx_json_path(v, absent[i]));
    assert_null(lx_json_path(NULL, "a.b"));
}

static void keys_match_in_any_case_the_exact_one_first(void **state)
{
    (void)state;
    lx_auto(json) json_t *v = parse("{\"ID\":1,\"id\":2,\"QueueName\":3}");
    assert_int_equal(json_integer_value(lx_json_get_nocase(v, "id")), 2);
    assert_int_equal(json_integer_value(lx_json_get_nocase(v, "Id")), 1);
    assert_int_equal(json_integer_value(lx_json_get_nocase(v, "queuename")), 3);
    assert_null(lx_json_get_nocase(v, "queue"));
    assert_null(lx_json_get_nocase(NULL, "queue"));
}

static void strict_access_names_the_key(void **state)
{
    (void)state;
    lx_auto(json) json_t *v = parse("{\"s\":\"x\",\"i\":7,\"r\":7.0,\"n\":null}");
    const char *text = NULL;
    int64_t number = 0;
    struct lx_err err = {0};
    assert_int_equal(lx_json_need_str(v, "s", &text, &err), 0);
    assert_string_equal(text, "x");
    assert_int_equal(lx_json_need_int(v, "i", &number, &err), 0);
    assert_int_equal(number, 7);
    assert_int_equal(lx_json_need_str(v, "i", &text, &err), -1);
    assert_string_equal(err.text, "\"i\" is not a string");
    assert_int_equal(err.code, LX_E_INVALID);
    assert_int_equal(lx_json_need_str(v, "gone", &text, &err), -1);
    assert_string_equal(err.text, "\"gone\" is missing");
    assert_int_equal(lx_json_need_int(v, "r", &number, &err), -1);
    assert_string_equal(err.text, "\"r\" is not a whole number");
    assert_int_equal(lx_json_need_int(v, "n", &number, NULL), -1);
    assert_int_equal(number, 7);
    assert_string_equal(text, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_may_stand_at_the_top),
        cmocka_unit_test(what_is_not_strict_json_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(the_error_quotes_nothing_of_the_text),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(a_nul_in_a_string_is_kept),
        cmocka_unit_test(dumping_appends_in_insertion_order),
        cmocka_unit_test(a_dump_that_does_not_fit_leaves_the_buffer),
        cmocka_unit_test(a_value_that_contains_itself_is_an_error),
        cmocka_unit_test(lenient_access_falls_back),
        cmocka_unit_test(paths_lead_through_objects_and_arrays),
        cmocka_unit_test(keys_match_in_any_case_the_exact_one_first),
        cmocka_unit_test(strict_access_names_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
