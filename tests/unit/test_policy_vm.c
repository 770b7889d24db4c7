#include "policy_vm.h"

#include "lunexec/rand.h"

/* ---- Values ---- */

static void test_values_cross_exactly(void **state)
{
    (void)state;
    static const char *const args[] = {
        "[]",
        "[null]",
        "[null,null]",
        "[true,false]",
        "[9223372036854775807]",
        "[-9223372036854775808]",
        "[9007199254740993]",
        "[1.5]",
        "[\"\"]",
        "[\"a\\u0000b\"]",
        "[[]]",
        "[{}]",
        "[[[],{}]]",
        "[{\"a\":[]}]",
        "[{\"a\":null}]",
        "[[null,1,null]]",
    };
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++)
        check_results("return ...", args[i], args[i]);
}

static void test_tables_become_json(void **state)
{
    (void)state;
    check_results("return {}, json.array {}, json.object(json.array {})", "[]", "[{},[],{}]");
    check_results("return {1, 2, {}}, {a = 1}", "[]", "[[1,2,{}],{\"a\":1}]");
    check_results("return json.null, nil, {json.null}", "[]", "[null,null,[null]]");
    check_results("return 1e3, -0.0, 2^53, 0.5, 2^63", "[]",
                  "[1000,0,9007199254740992,0.5,9.2233720368547758e18]");
    check_results("local t = ...; t[#t + 1] = 4; return t, json.is_array(t), json.is_array {1}",
                  "[[1,2]]", "[[1,2,4],true,false]");
    check_results("return getmetatable(json.array {}) == nil", "[]", "[true]");
    check_results("return json.array()", "[]", "[[]]");
    check_results("return require 'cjson'.null == json.null, "
                  "require 'cjson'.decode '[null]'[1] == json.null, require 'cjson'.encode {a = 1}",
                  "[]", "[true,true,\"{\\\"a\\\":1}\"]");
}

static void test_bad_tables_name_their_path(void **state)
{
    (void)state;
    check_error("return {spec = {containers = {{}, {env = {1, nil, 3}}}}}",
                "result spec.containers[2].env: a list with holes");
    check_error("return {1, a = 2}", "a list that also has keys");
    check_error("return {a = {[1.5] = 2}}", "result a: a list");
    check_error("return {[true] = 1}", "keys that are not strings");
    check_error("return {a = 0/0}", "result a: a number that is not finite");
    check_error("return {a = {math.huge}}", "result a[1]: a number that is not finite");
    check_error("return {f = print or tostring}", "result f: a function cannot be part");
    check_error("return '\\xff'", "not valid UTF-8");
    check_error("return {['\\xff'] = 1}", "not valid UTF-8");
    check_error("return {['a\\0b'] = 1}", "NUL");
    check_error("local t = {} t.t = t return t", "nested deeper than 64 levels");
    check_error("local t = {} for i = 1, 50000 do t[i] = i end return t", "50,000 values");
    check_error("local t = json.array {1, 2, 3} t[2] = nil return t", "a list with holes");
    check_error("local t = json.array {} t.key = 1 return t", "a list that also has keys");
}

/* What the child lets through the executor can read: the message adds its own levels and values. */
static void test_largest_results_arrive(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "local t = 1 for i = 1, 64 do t = {t} end return t",
        "local t = {} for i = 1, 49999 do t[i] = 0 end return t",
        "local t = {} for i = 1, 24999 do t[i] = 0 end return t, t",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct lx_vm *vm = vm_with_body(bodies[i]);
        struct lx_answer answer = vm_call(vm, "[]");
        if (answer.kind != LX_ANSWER_OK)
            fail_msg("%s: %s", bodies[i], answer.text);
        lx_answer_done(&answer);
        lx_vm_free(vm);
    }
    check_error("local t = 1 for i = 1, 65 do t = {t} end return t", "nested deeper");
    check_error("local t = {} for i = 1, 25000 do t[i] = 0 end return t, t", "50,000 values");
}

static void test_metatables_of_results_are_not_asked(void **state)
{
    (void)state;
    const char *evil = "local function no() error 'asked' end\n"
                       "local mt = {__index = no, __pairs = no, __len = no, __metatable = no,\n"
                       "            __tostring = no, __name = no, __call = no, __close = no}\n";
    char *object = lx_strf("%s return setmetatable({a = 1}, mt), setmetatable({1, 2}, mt)", evil);
    char *error = lx_strf("%s error(setmetatable({}, mt))", evil);
    char *message = lx_strf("%s error(setmetatable({message = 'read me'}, mt))", evil);
    check_results(object, "[]", "[{\"a\":1},[1,2]]");
    check_error(error, "(the error is a table value)");
    check_error(message, "read me");
    free(object);
    free(error);
    free(message);
}

static json_t *random_value(struct lx_rand *rand, unsigned depth)
{
    static const char *const strings[] = {"", "a", "\xc3\xa4", "spec", "12Gi", "\xf0\x9f\x98\x80"};
    uint64_t kind = lx_rand_below(rand, depth > 5 ? 5 : 8);
    json_t *value = NULL;
    switch (kind) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(lx_rand_below(rand, 2));
    case 2:
        return json_integer(
            (json_int_t)(lx_rand_below(rand, UINT64_MAX) >> lx_rand_below(rand, 64)));
    case 3:
        return json_real((double)lx_rand_below(rand, 1000) + 0.25);
    case 4:
        return json_string(strings[lx_rand_below(rand, 6)]);
    case 5:
        value = json_array();
        for (uint64_t n = lx_rand_below(rand, 6); n > 0; n--)
            json_array_append_new(value, random_value(rand, depth + 1));
        return value;
    default:
        value = json_object();
        for (uint64_t n = lx_rand_below(rand, 6); n > 0; n--) {
            char key[24];
            snprintf(key, sizeof key, "k%u", (unsigned)lx_rand_below(rand, 1000));
            json_object_set_new(value, key, random_value(rand, depth + 1));
        }
        return value;
    }
}

static void test_random_values_come_back(void **state)
{
    (void)state;
    struct lx_vm *vm = vm_with_body("return ...");
    struct lx_rand rand;
    lx_rand_init(&rand, 7);
    for (int run = 0; run < 1000; run++) {
        json_t *args = json_array();
        for (uint64_t n = lx_rand_below(&rand, 5); n > 0; n--)
            json_array_append_new(args, random_value(&rand, 0));
        struct lx_answer answer = vm_serve(vm, json_pack("[s,s,O]", "call", "f", args));
        assert_int_equal(answer.kind, LX_ANSWER_OK);
        if (!json_equal(answer.values, args))
            fail_msg("%s", lx_json_text(args));
        lx_answer_done(&answer);
        json_decref(args);
    }
    lx_vm_free(vm);
}

/* ---- Errors ---- */

static char *load_error(json_t *modules)
{
    struct lx_vm *vm = NULL;
    assert_int_equal(lx_vm_new(&vm, NULL), 0);
    struct lx_answer answer =
        vm_serve(vm, json_pack("[s,I,i,o]", "load", TEST_MEMORY, 1000, modules));
    assert_int_equal(answer.kind, LX_ANSWER_ERROR);
    char *text = lx_take(answer.text);
    lx_answer_done(&answer);
    lx_vm_free(vm);
    return text;
}

static void check_load_error(json_t *modules, const char *expected)
{
    char *text = load_error(modules);
    if (!strstr(text, expected))
        fail_msg("the error is: %s", text);
    free(text);
}

static void test_bad_bundles_say_why(void **state)
{
    (void)state;
    check_load_error(json_pack("{s:s}", "policy", "return {\n  api = = 1 }"),
                     "policy.lua:2: unexpected symbol near '='");
    check_load_error(json_pack("{s:s}", "policy", "local x = nil\nreturn x.y"),
                     "policy.lua:2: attempt to index a nil value (local 'x')");
    check_load_error(json_pack("{s:s}", "policy", "return 1"), "it must return a table");
    check_load_error(json_pack("{s:s}", "policy", "return {}"), "must have api = 1");
    check_load_error(json_pack("{s:s}", "policy", "return {api = 2}"), "must have api = 1");
    check_load_error(json_pack("{s:s}", "policy", "return {api = 1, x = require 'none'}"),
                     "module 'none' not found");
    check_load_error(json_pack("{s:s,s:s}", "policy", "return {api = 1}", "other", "x ="),
                     "other.lua:1:");
    check_load_error(
        json_pack("{s:s,s:s}", "policy", "return require 'a'", "a", "return require 'policy'"),
        "module 'policy' is still being loaded (a loop)");
    check_load_error(json_pack("{s:s,s:s}", "policy", "return {api = 1, x = require 'lunexec.x'}",
                               "lunexec.x", "\nerror 'boom'"),
                     "lunexec/x.lua:2: boom");
    check_load_error(json_pack("{s:s}", "policy", "\x1bLua"), "attempt to load a binary chunk");
    check_load_error(json_object(), "module 'policy' not found");
}

static void test_functions_are_listed(void **state)
{
    (void)state;
    struct lx_vm *vm = NULL;
    assert_int_equal(lx_vm_new(&vm, NULL), 0);
    struct lx_answer answer =
        vm_serve(vm, json_pack("[s,I,i,{s:s}]", "load", TEST_MEMORY, 1000, "policy",
                               "return {api = 1, job = function() end, name = 'x'}"));
    assert_int_equal(answer.kind, LX_ANSWER_OK);
    char *text = lx_json_text(answer.values);
    assert_string_equal(text, "[\"job\"]");
    free(text);
    lx_answer_done(&answer);
    answer = vm_serve(vm, json_pack("[s,s,[]]", "call", "retry"));
    assert_int_equal(answer.kind, LX_ANSWER_UNDEFINED);
    lx_answer_done(&answer);
    lx_vm_free(vm);
}

static void test_errors_carry_a_traceback(void **state)
{
    (void)state;
    struct lx_vm *vm =
        vm_with(json_pack("{s:s,s:s}", "policy",
                          "local t = require 'template'\nreturn {api = 1, f = t.f}", "template",
                          "local function inner(x)\n  return x.y.z\nend\n"
                          "return {f = function(x) local v = inner(x) return v end}"));
    struct lx_answer answer = vm_call(vm, "[{}]");
    assert_int_equal(answer.kind, LX_ANSWER_ERROR);
    assert_non_null(strstr(answer.text, "template.lua:2: attempt to index a nil value"));
    assert_non_null(strstr(answer.text, "stack traceback:"));
    assert_non_null(strstr(answer.text, "template.lua:4:"));
    lx_answer_done(&answer);
    lx_vm_free(vm);
}

static void test_error_texts_are_cut_and_clean(void **state)
{
    (void)state;
    struct lx_vm *vm = vm_with_body("error((...):rep(3000) .. '\\xff', 0)");
    struct lx_answer answer = vm_call(vm, "[\"a\xc3\xa4\"]");
    assert_int_equal(answer.kind, LX_ANSWER_ERROR);
    assert_true(strlen(answer.text) <= LX_VM_ERROR_MAX);
    assert_true(strlen(answer.text) > LX_VM_ERROR_MAX - 4);
    assert_true(lx_utf8_valid(answer.text, strlen(answer.text)));
    lx_answer_done(&answer);
    lx_vm_free(vm);
    check_error("error('\\xff', 0)", "?");
    check_error("error()", "(the error is a nil value)");
    check_error("error(42)", "42");
}

static void test_malformed_messages_are_errors(void **state)
{
    (void)state;
    struct lx_vm *vm = NULL;
    assert_int_equal(lx_vm_new(&vm, NULL), 0);
    static const char *const messages[] = {
        "{}",
        "[]",
        "[1]",
        "[\"no\"]",
        "[\"load\"]",
        "[\"load\",1]",
        "[\"load\",1,1,[]]",
        "[\"load\",1000000,1,{\"policy\":1}]",
        "[\"call\"]",
        "[\"call\",\"f\",[]]",
        "\"x\"",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        json_t *message = NULL;
        assert_int_equal(lx_json_parse(messages[i], strlen(messages[i]), &message, NULL), 0);
        struct lx_answer answer = vm_serve(vm, message);
        if (answer.kind != LX_ANSWER_ERROR && answer.kind != LX_ANSWER_LIMIT)
            fail_msg("%s was served", messages[i]);
        lx_answer_done(&answer);
    }
    lx_vm_free(vm);
}

/* ---- Guards ---- */

/* What the C functions of string and table would do at once and for long, without a chance to be
 * interrupted. */
static void test_functions_in_c_have_limits(void **state)
{
    (void)state;
    static const char *const refused[][2] = {
        {"string.rep('x', 1 << 40)", "string.rep makes at most"},
        {"string.rep('', 1 << 40, 'x')", "string.rep makes at most"},
        {"table.unpack({}, 1, 1 << 40)", "more than"},
        {"table.unpack({}, math.mininteger, math.maxinteger)", "more than"},
        {"table.concat({}, '', 1, 1 << 40)", "more than"},
        {"table.move({}, 1, 1 << 40, 2)", "more than"},
        {"table.concat(setmetatable({}, {__len = function() return 1 << 40 end}))", "__len"},
        {"table.sort(setmetatable({}, {__len = function() return 1 << 40 end}))", "__len"},
        {"table.insert(setmetatable({}, {__len = function() return 1 << 40 end}), 1)", "__len"},
        {"table.remove(setmetatable({}, {__len = function() return 1 << 40 end}))", "__len"},
        {"table.unpack(setmetatable({}, {__len = function() return 1 << 40 end}))", "__len"},
        {"table.sort('x')", "table expected, got string"},
        {"table.move(1, 1, 1, 1)", "table expected, got number"},
        {"setmetatable({}, {__gc = false})", "may not set a finalizer"},
        {"setmetatable(setmetatable({}, {__metatable = false}), nil)", "protected metatable"},
        {"setmetatable({}, 1)", "nil or table expected"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        lx_auto(str) char *body = lx_strf("return %s", refused[i][0]);
        check_error(body, refused[i][1]);
    }
}

static void test_guarded_functions_do_what_lua_says(void **state)
{
    (void)state;
    check_results("return ('ab'):rep(3), ('ab'):rep(2, '-'), ('ab'):rep(0), (''):rep(1 << 40), "
                  "('x'):rep(-1)",
                  "[]", "[\"ababab\",\"ab-ab\",\"\",\"\",\"\"]");
    check_results("local t = {3, 1, 2} table.sort(t) table.insert(t, 4) table.insert(t, 1, 0) "
                  "return t, table.remove(t), table.remove(t, 1), #t",
                  "[]", "[[1,2,3],4,0,3]");
    check_results("table.sort(...) return ...", "[[3,1,2]]", "[[1,2,3]]");
    check_results("local t = {1, 2, 3} return table.concat(t), table.concat(t, ', '), "
                  "table.concat(t, '-', 2), table.concat(t, '-', 2, 2), table.concat(t, '-', 3, 2)",
                  "[]", "[\"123\",\"1, 2, 3\",\"2-3\",\"2\",\"\"]");
    check_results("return table.unpack({1, 2, 3})", "[]", "[1,2,3]");
    check_results("return table.unpack({1, 2, 3}, 2, 3)", "[]", "[2,3]");
    check_results("return table.move({1, 2, 3}, 2, 3, 1), table.move({1}, 1, 1, 1, {})", "[]",
                  "[[2,3,3],[1]]");
}

/* Metatables that a policy sets are its own; those of others it neither sees nor changes. */
static void test_metatables_are_the_policys_own(void **state)
{
    (void)state;
    check_results("local m = {__index = {a = 1}} local t = setmetatable({}, m) "
                  "return t.a, getmetatable(t) == m, getmetatable(setmetatable(t, nil)) == nil",
                  "[]", "[1,true,true]");
    check_results("return getmetatable(setmetatable({}, {__metatable = 'mine'})), "
                  "getmetatable('') == nil, getmetatable(json.array {}) == nil, "
                  "getmetatable(1) == nil",
                  "[]", "[\"mine\",true,true,true]");
    check_error("getmetatable()", "value expected");
}

/* ---- Calls do not meet ---- */

static void test_nothing_outlives_a_call(void **state)
{
    (void)state;
    /* Each body leaves a trace wherever it can and returns what it found of an earlier one. */
    static const char *const bodies[] = {
        "local old = leak leak = 1 return old ~= nil",
        "local s = require 'shared' local old = s.n s.n = 1 return old ~= nil",
        "local old = string.leak string.leak = 1 return old ~= nil",
        "local old = ('').leak string.leak = 1 return old ~= nil",
        "local old = math.pi math.pi = 1 return old ~= 3.141592653589793",
        "local old = tostring tostring = nil return old == nil",
        "local old = json.leak json.leak = 1 return old ~= nil",
        "local c = require 'cjson' local old = c.leak c.leak = 1 return old ~= nil",
        "local t = json.array {} local old = t.leak "
        "pcall(function() getmetatable(t).__index = {leak = 1} end) return old ~= nil",
        "local r = require local old = r ~= require require = nil return old",
        "local t = require 'shared'.list local n = #t t[1] = 1 return n > 0",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char *source = lx_strf("local json = require 'lunexec.json'\nlocal require = require\n"
                               "return {api = 1, f = function() %s end}",
                               bodies[i]);
        struct lx_vm *vm =
            vm_with(json_pack("{s:s,s:s}", "policy", source, "shared", "return {list = {}}"));
        for (int call = 0; call < 2; call++) {
            struct lx_answer answer = vm_call(vm, "[]");
            if (answer.kind != LX_ANSWER_OK || !json_is_false(json_array_get(answer.values, 0)))
                fail_msg("call %d of: %s", call, bodies[i]);
            lx_answer_done(&answer);
        }
        lx_vm_free(vm);
        free(source);
    }
}

static void test_modules_are_loaded_once_in_a_call(void **state)
{
    (void)state;
    struct lx_vm *vm = vm_with(json_pack(
        "{s:s,s:s,s:s}", "policy",
        "local a = require 'a'\nreturn {api = 1, f = function() return a == require 'a', "
        "require 'a'.b == require 'b', require 'lunexec.json' == require 'lunexec.json' end}",
        "a", "return {b = require 'b'}", "b", "return {name = ...}"));
    struct lx_answer answer = vm_call(vm, "[]");
    char *text = lx_json_text(answer.values);
    assert_string_equal(text, "[true,true,true]");
    free(text);
    lx_answer_done(&answer);
    lx_vm_free(vm);
}

static void test_memory_does_not_grow(void **state)
{
    (void)state;
    struct lx_vm *vm = vm_with_body("local t = {} for i = 1, 1000 do t[i] = 'x' .. i end return t");
    size_t before = 0;
    for (int call = 0; call < 300; call++) {
        struct lx_answer answer = vm_call(vm, "[]");
        assert_int_equal(answer.kind, LX_ANSWER_OK);
        lx_answer_done(&answer);
        if (call == 10) {
            lx_vm_idle(vm);
            before = lx_vm_memory(vm);
        }
    }
    lx_vm_idle(vm);
    assert_true(lx_vm_memory(vm) <= before + 1024);
    lx_vm_free(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_cross_exactly),
        cmocka_unit_test(test_tables_become_json),
        cmocka_unit_test(test_bad_tables_name_their_path),
        cmocka_unit_test(test_largest_results_arrive),
        cmocka_unit_test(test_metatables_of_results_are_not_asked),
        cmocka_unit_test(test_random_values_come_back),
        cmocka_unit_test(test_bad_bundles_say_why),
        cmocka_unit_test(test_functions_are_listed),
        cmocka_unit_test(test_errors_carry_a_traceback),
        cmocka_unit_test(test_error_texts_are_cut_and_clean),
        cmocka_unit_test(test_malformed_messages_are_errors),
        cmocka_unit_test(test_functions_in_c_have_limits),
        cmocka_unit_test(test_guarded_functions_do_what_lua_says),
        cmocka_unit_test(test_metatables_are_the_policys_own),
        cmocka_unit_test(test_nothing_outlives_a_call),
        cmocka_unit_test(test_modules_are_loaded_once_in_a_call),
        cmocka_unit_test(test_memory_does_not_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
