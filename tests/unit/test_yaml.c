#include "lunexec/yaml.h"

#include "unit.h"

#include <string.h>

static void assert_reads(const char *yaml, const char *json)
{
    lx_auto(json) json_t *value = NULL;
    struct lx_err err = {0};
    if (lx_yaml_parse(yaml, strlen(yaml), &value, &err) < 0)
        fail_msg("%s: %s", yaml, err.text);
    lx_auto(str) char *text = lx_json_text(value);
    assert_string_equal(text, json);
}

static void assert_refused(const char *yaml, const char *part)
{
    json_t *value = NULL;
    struct lx_err err = {0};
    if (lx_yaml_parse(yaml, strlen(yaml), &value, &err) == 0) {
        json_decref(value);
        fail_msg("accepted: %s", yaml);
    }
    assert_int_equal(err.code, LX_E_INVALID);
    if (!strstr(err.text, part))
        fail_msg("%s: \"%s\" does not say \"%s\"", yaml, err.text, part);
}

static void plain_scalars_follow_the_core_schema(void **state)
{
    (void)state;
    assert_reads("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    assert_reads("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    assert_reads("[0, 42, -17, +3, 007, 0x1F, 0o17]", "[0,42,-17,3,7,31,15]");
    assert_reads("[1.5, -.5, 2., 1e3, +1.5E-1, 007.5]",
                 "[1.5,-0.5,2.0,1000.0,0.14999999999999999,7.5]");
    assert_reads("[9223372036854775807, -9223372036854775808, 0x7fffffffffffffff]",
                 "[9223372036854775807,-9223372036854775808,9223372036854775807]");
}

static void what_only_looks_like_another_type_is_a_string(void **state)
{
    (void)state;
    assert_reads(
        "[yes, no, on, off, nULL, tRUE, 0xg, 0o8, 1.2.3, 1e, '-', +, ., 1_000]",
        "[\"yes\",\"no\",\"on\",\"off\",\"nULL\",\"tRUE\",\"0xg\",\"0o8\",\"1.2.3\",\"1e\","
        "\"-\",\"+\",\".\",\"1_000\"]");
    assert_reads("['42', \"true\", 'null', \"\"]", "[\"42\",\"true\",\"null\",\"\"]");
    assert_reads("a: |\n  42\nb: >-\n  one\n  two\n", "{\"a\":\"42\\n\",\"b\":\"one two\"}");
}

static void numbers_that_json_does_not_hold_are_refused(void **state)
{
    (void)state;
    assert_refused("[9223372036854775808]", "range");
    assert_refused("[0xffffffffffffffff1]", "range");
    assert_refused("[1e999]", "range");
    assert_refused("[.inf]", "range");
    assert_refused("[-.Inf]", "range");
    assert_refused("[.NaN]", "range");
}

static void a_kubeconfig_reads(void **state)
{
    (void)state;
    assert_reads("apiVersion: v1\nkind: Config\n# a comment\nclusters:\n- name: k\n  cluster:\n"
                 "    server: https://127.0.0.1:6443\n    insecure-skip-tls-verify: false\n"
                 "users: []\ncurrent-context: ''\n",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":[{\"name\":\"k\","
                 "\"cluster\":{\"server\":\"https://127.0.0.1:6443\","
                 "\"insecure-skip-tls-verify\":false}}],\"users\":[],\"current-context\":\"\"}");
}

static void only_the_first_document_is_read(void **state)
{
    (void)state;
    assert_reads("--- 1\n--- 2\n", "1");
    assert_reads("", "null");
    assert_reads("# nothing\n", "null");
    assert_reads("\xef\xbb\xbf"
                 "a: 1",
                 "{\"a\":1}");
}

static void json_is_yaml(void **state)
{
    (void)state;
    assert_reads("{\"a\":[1,\"x\\u00e9\\n\",{}],\"b\":null}",
                 "{\"a\":[1,\"x\xc3\xa9\\n\",{}],\"b\":null}");
}

static void anchors_are_copied(void **state)
{
    (void)state;
    assert_reads("a: &x {k: 1}\nb: *x\nc: [*x, *x]\n",
                 "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":[{\"k\":1},{\"k\":1}]}");
    lx_auto(json) json_t *value = NULL;
    const char *yaml = "a: &x {k: 1}\nb: *x\n";
    assert_int_equal(lx_yaml_parse(yaml, strlen(yaml), &value, NULL), 0);
    json_object_set_new(json_object_get(value, "a"), "k", json_integer(2));
    assert_int_equal(lx_json_int(json_object_get(value, "b"), "k", 0), 1);
}

static void anchors_cannot_blow_up(void **state)
{
    (void)state;
    assert_refused("a: *nowhere\n", "line 1");
    assert_refused("a: &x [*x]\n", "deep");
    lx_auto(buf) struct lx_buf bomb = LX_BUF_INIT(4096);
    assert_int_equal(lx_buf_adds(&bomb, "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n", NULL), 0);
    for (int i = 1; i < 9; i++)
        assert_int_equal(lx_buf_addf(&bomb, NULL,
                                     "l%d: &l%d [*l%d, *l%d, *l%d, *l%d, *l%d, *l%d, *l%d]\n", i, i,
                                     i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1),
                         0);
    assert_refused(lx_buf_str(&bomb), "too many nodes");
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    char text[2 * 66 + 1] = "";
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    lx_auto(json) json_t *value = NULL;
    assert_int_equal(lx_yaml_parse(text, 128, &value, NULL), 0);
    memset(text, '[', 66);
    memset(text + 66, ']', 66);
    assert_refused(text, "deep");
}

static void bad_yaml_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: [1, 2\n", "line");
    assert_refused("a: 1\na: 2\n", "line 2");
    assert_refused("? [a, b]\n: 1\n", "scalar");
    assert_refused("\"a\\0b\": 1\n", "NUL");
    assert_refused("a: \"\xff\"\n", "invalid YAML");
    assert_refused("\tx: 1\n", "line 1");
    assert_refused("a: @x\n", "line 1");
    assert_refused("a: b: c\n", "line 1");
}

static void assert_writes(const char *json, const char *yaml)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(4096);
    lx_auto(json) json_t *value = NULL;
    struct lx_err err = {0};
    assert_int_equal(lx_json_parse(json, strlen(json), &value, &err), 0);
    if (lx_yaml_dump(value, &out, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(lx_buf_str(&out), yaml);
}

static void values_are_written_in_block_style(void **state)
{
    (void)state;
    assert_writes("{\"apiVersion\":\"batch/v1\",\"spec\":{\"i\":1,\"r\":1.5,\"t\":true,\"z\":null,"
                  "\"e\":{},\"l\":[],\"args\":[\"-c\",\"echo hi\"]}}",
                  "apiVersion: batch/v1\nspec:\n  i: 1\n  r: 1.5\n  t: true\n  z: null\n  e: {}\n"
                  "  l: []\n  args:\n  - -c\n  - echo hi\n");
    assert_writes("{\"script\":\"#!/bin/sh\\nset -e\\n\"}", "script: |\n  #!/bin/sh\n  set -e\n");
}

static void strings_that_look_like_another_type_are_quoted(void **state)
{
    (void)state;
    assert_writes("[\"1\",\"true\",\"null\",\"\",\"1.5\",\"~\"]",
                  "- \"1\"\n- \"true\"\n- \"null\"\n- \"\"\n- \"1.5\"\n- \"~\"\n");
    assert_writes("[\"yes\",\"Off\",\"y\",\"1_000\",\"0b1\",\"2020-01-01\",\"<<\",\"=\"]",
                  "- \"yes\"\n- \"Off\"\n- \"y\"\n- \"1_000\"\n- \"0b1\"\n- \"2020-01-01\"\n"
                  "- \"<<\"\n- \"=\"\n");
    assert_writes("{\"on\":\"./run\",\"a: b\":\"--flag\"}", "\"on\": ./run\n\"a: b\": --flag\n");
}

/* Strings that a careless writer would change. */
static const char *const awkward[] = {
    "",
    " ",
    " x",
    "x ",
    "a\nb",
    "a\n",
    "\na",
    "\n",
    "\n\n",
    "a\n\n",
    " a\nb",
    "a \nb",
    "\ta\nb",
    "a\r\nb",
    "a\tb",
    "#x",
    "x #y",
    "x: y",
    "- x",
    "-",
    "?",
    "? x",
    "---",
    "...",
    "--- x",
    "a\n---\nb",
    "a\n...\n",
    "'",
    "\"",
    "'x'",
    "{a}",
    "[a]",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "\xc3\xa9",
    "\xe2\x80\xa8",
    "a\xe2\x80\xa9z",
    "\xc2\x85",
    "\xef\xbb\xbf",
    "\x7f",
    "\x01",
    "a\x1b[0m\nb",
    "\xf0\x9f\x98\x80",
    ".inf",
    "0x1",
    "0o7",
    "-.5",
    "+1",
    "NULL",
    "key:",
    ":x",
    "a,b",
    "\\n",
    "  two\n one\n",
    "x\n  y\n \n z",
    "\xef\xbf\xbd",
};

static void what_is_written_reads_back(void **state)
{
    (void)state;
    lx_auto(json) json_t *value = json_object();
    json_t *list = json_array();
    json_object_set_new(value, "list", list);
    for (size_t i = 0; i < sizeof(awkward) / sizeof(awkward[0]); i++) {
        json_array_append_new(list, json_string(awkward[i]));
        json_object_set_new(value, awkward[i], json_integer((json_int_t)i));
        json_array_append_new(list, json_pack("{s:s}", "nested", awkward[i]));
        json_array_append_new(list, json_pack("[[s]]", awkward[i]));
    }
    json_array_append_new(list, json_stringn("a\0b", 3));
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(1u << 20);
    lx_auto(json) json_t *again = NULL;
    struct lx_err err = {0};
    assert_int_equal(lx_yaml_dump(value, &out, &err), 0);
    if (lx_yaml_parse(out.data, out.len, &again, &err) < 0)
        fail_msg("%s", err.text);
    lx_auto(str) char *before = lx_json_text(value);
    lx_auto(str) char *after = lx_json_text(again);
    assert_string_equal(after, before);
}

static void output_beyond_the_maximum_leaves_the_buffer(void **state)
{
    (void)state;
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(100);
    lx_auto(json) json_t *value = json_array();
    struct lx_err err = {0};
    for (int i = 0; i < 100; i++)
        json_array_append_new(value, json_string("some text"));
    assert_int_equal(lx_buf_adds(&out, "before", NULL), 0);
    assert_int_equal(lx_yaml_dump(value, &out, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_string_equal(lx_buf_str(&out), "before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(what_only_looks_like_another_type_is_a_string),
        cmocka_unit_test(numbers_that_json_does_not_hold_are_refused),
        cmocka_unit_test(a_kubeconfig_reads),
        cmocka_unit_test(only_the_first_document_is_read),
        cmocka_unit_test(json_is_yaml),
        cmocka_unit_test(anchors_are_copied),
        cmocka_unit_test(anchors_cannot_blow_up),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(bad_yaml_is_refused_with_its_place),
        cmocka_unit_test(values_are_written_in_block_style),
        cmocka_unit_test(strings_that_look_like_another_type_are_quoted),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(output_beyond_the_maximum_leaves_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
