/*
 * Policies that mean harm, each a function of one bundle: every one must be contained, and the
 * call after it must be answered as if nothing had been.
 */
#include "policy_dir.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <stdio.h>
#include <unistd.h>

#define CALL_MS 1500
#define CPU_MS 150
#define MEMORY_MAX ((size_t)32 << 20)

enum outcome {
    STOPPED, /* by a limit: an error that names it, or killed on the deadline */
    FAILS,   /* with an error that contains `says` */
    RETURNS, /* `says`, the JSON of all results */
};

struct script {
    const char *name, *body;
    enum outcome outcome;
    const char *says;
};

static const struct script scripts[] = {
    /* Loops in Lua */
    {"while", "while true do end", STOPPED, NULL},
    {"repeat", "repeat until false", STOPPED, NULL},
    {"goto", "::again:: goto again", STOPPED, NULL},
    {"for", "for i = 1, math.huge do end", STOPPED, NULL},
    {"pcall in a loop", "while true do pcall(function() while true do end end) end", STOPPED, NULL},
    {"loop after pcall", "pcall(function() while true do end end) while true do end", STOPPED,
     NULL},
    {"pcall of pcall", "local function f() pcall(f) return f() end f()", STOPPED, NULL},
    {"tail calls", "local function f() return f() end f()", STOPPED, NULL},
    {"endless ipairs",
     "for _ in ipairs(setmetatable({}, {__index = function(_, i) return i end})) do end", STOPPED,
     NULL},
    {"endless __pairs",
     "for _ in pairs(setmetatable({}, {__pairs = function() return function() return 1 end end})) "
     "do end",
     STOPPED, NULL},
    {"__close loop",
     "local x <close> = setmetatable({}, {__close = function() while true do end end})", STOPPED,
     NULL},
    {"__eq loop",
     "local mt = {__eq = function() while true do end end}\n"
     "return setmetatable({}, mt) == setmetatable({}, mt)",
     STOPPED, NULL},
    {"__concat loop",
     "return setmetatable({}, {__concat = function() while true do end end}) .. 'x'", STOPPED,
     NULL},
    {"comparator loop", "table.sort({3, 1, 2}, function() while true do end end)", STOPPED, NULL},
    {"gsub callback loop", "('x'):gsub('x', function() while true do end end)", STOPPED, NULL},
    {"tostring loop", "tostring(setmetatable({}, {__tostring = function() while true do end end}))",
     STOPPED, NULL},
    {"loop over the time limit's error",
     "local function f() while true do pcall(error) end end\n"
     "while true do pcall(pcall, pcall, f) end",
     STOPPED, NULL},

    /* Loops in C */
    {"backtracking", "return (('a'):rep(60)):find(('a?'):rep(60) .. ('a'):rep(60))", STOPPED, NULL},
    {"nested lazy pattern", "return (('a'):rep(3000)):find(('.-'):rep(7) .. 'b')", STOPPED, NULL},
    {"gmatch", "for _ in (('a'):rep(3000)):gmatch(('a-'):rep(7) .. 'b') do end", STOPPED, NULL},
    {"gsub", "return (('a'):rep(3000)):gsub(('a*'):rep(7) .. 'b', '')", STOPPED, NULL},
    {"plain find of a long needle",
     "local a = ('a'):rep(1000000) for i = 1, 1000 do a:find(('a'):rep(500000) .. 'b', 1, true) "
     "end",
     STOPPED, NULL},
    {"rep of nothing", "return string.rep('', math.maxinteger)", RETURNS, "[\"\"]"},
    {"rep of nothing with separator", "return #string.rep('', 1000000, '')", RETURNS, "[0]"},
    {"table.move", "table.move({}, 1, 1000000000, 2)", FAILS, "more than 1000000 items"},
    {"table.move backwards", "table.move({}, math.mininteger, math.maxinteger, 2)", FAILS,
     "more than 1000000 items"},
    {"table.insert, lying length",
     "table.insert(setmetatable({}, {__len = function() return 1 << 40 end}), 1, 1)", FAILS,
     "__len"},
    {"table.remove, lying length",
     "table.remove(setmetatable({}, {__len = function() return 1 << 40 end}), 1)", FAILS, "__len"},
    {"table.sort, lying length",
     "table.sort(setmetatable({}, {__len = function() return 1 << 30 end}))", FAILS, "__len"},
    {"table.concat, lying length",
     "table.concat(setmetatable({}, {__len = function() return 1 << 40 end, __index = rawlen}))",
     FAILS, "__len"},
    {"table.unpack, lying length",
     "table.unpack(setmetatable({}, {__len = function() return 1 << 40 end}))", FAILS, "__len"},
    {"table.concat of a long range", "table.concat({}, '', 1, 1 << 40)", FAILS,
     "more than 1000000 items"},
    {"table.concat with C __index",
     "return #table.concat(setmetatable({}, {__index = type}), '', 1, 1000)", RETURNS, "[5000]"},
    {"table.unpack of a long range", "table.unpack({}, 1, 100000000)", FAILS,
     "more than 1000000 items"},
    {"table.unpack beyond the stack", "table.unpack({}, 1, 999999)", FAILS, "too many results"},

    /* Memory */
    {"table", "local t = {} for i = 1, math.huge do t[i] = i end", STOPPED, NULL},
    {"tables", "local t = {} for i = 1, math.huge do t[i] = {i} end", STOPPED, NULL},
    {"nested tables", "local t = {} while true do t = {t} end", STOPPED, NULL},
    {"closures", "local t = {} for i = 1, math.huge do t[i] = function() return i end end", STOPPED,
     NULL},
    {"doubling string", "local s = 'x' while true do s = s .. s end", STOPPED, NULL},
    {"rep", "return ('x'):rep(1 << 40)", FAILS, "string.rep makes at most"},
    {"rep overflow", "return ('x'):rep(math.maxinteger, 'y')", FAILS, "string.rep makes at most"},
    {"rep up to the limit, often",
     "local t = {} for i = 1, 100 do t[i] = ('x'):rep(4000000) .. i end", STOPPED, NULL},
    {"gsub growth", "return (('x'):rep(10000)):gsub('x', ('y'):rep(100000))", STOPPED, NULL},
    {"concat growth",
     "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(100000) end return table.concat(t)", STOPPED,
     NULL},
    {"format growth",
     "local s = '%s' for i = 1, 30 do s = s:format(s .. '%s%s'):gsub('x', s) end return s", FAILS,
     ""},
    {"pack padding", "return string.pack('c1000000000', '')", STOPPED, NULL},
    {"caught memory error",
     "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
     STOPPED, NULL},
    {"error text", "error(('x'):rep(1000000))", FAILS, "xxx"},
    {"utf8.char", "local t = {} while true do t[#t + 1] = utf8.char(0x7fffffff):rep(1000) end",
     STOPPED, NULL},

    /* Depth */
    {"recursion", "local function f() return 1 + f() end f()", STOPPED, NULL},
    {"recursion in C", "local function f() return (('x'):gsub('x', f)) end f()", FAILS,
     "C stack overflow"},
    {"recursion in pcall", "local function f() return pcall(f) end return (f())", RETURNS,
     "[true]"},
    {"__index recursion", "return setmetatable({}, {__index = function(t, k) return t[k] end}).x",
     FAILS, "stack overflow"},
    {"__index of itself", "local t = {} return setmetatable(t, {__index = t}).x", FAILS, "loop"},
    {"__call chain",
     "local f = print or {} for i = 1, 300 do f = setmetatable({}, {__call = f}) "
     "end f()",
     FAILS, ""},
    {"nested pattern", "return ('x'):find(('('):rep(100) .. (')'):rep(100))", FAILS,
     "too many captures"},
    {"JSON depth", "return require 'cjson'.decode(('['):rep(100000))", FAILS, "nested"},
    {"JSON cycle", "local t = {} t.t = t return require 'cjson'.encode(t)", FAILS, "nest"},

    /* Ways out of Lua */
    {"load", "return load('return 1')()", FAILS, "global 'load'"},
    {"bytecode", "return string.dump(function() end)", FAILS, "dump"},
    {"dofile", "dofile '/etc/passwd'", FAILS, "global 'dofile'"},
    {"loadfile", "loadfile '/etc/passwd'", FAILS, "global 'loadfile'"},
    {"io", "io.open '/etc/passwd'", FAILS, "global 'io'"},
    {"os", "os.execute 'id'", FAILS, "global 'os'"},
    {"debug", "debug.getregistry()", FAILS, "global 'debug'"},
    {"package", "package.loadlib('/lib/libc.so', '*')", FAILS, "global 'package'"},
    {"coroutine", "coroutine.wrap(function() while true do end end)()", FAILS, "'coroutine'"},
    {"xpcall", "xpcall(error, function() while true do end end)", FAILS, "global 'xpcall'"},
    {"collectgarbage", "collectgarbage 'stop'", FAILS, "global 'collectgarbage'"},
    {"_G", "return _G.tostring", FAILS, "global '_G'"},
    {"require a path", "require '../../../etc/passwd'", FAILS, "not found"},
    {"require a library", "require 'os'", FAILS, "not found"},
    {"randomness", "return math.random(1)", FAILS, "random"},

    /* Metatables and errors */
    {"finalizer", "setmetatable({}, {__gc = function() while true do end end})", FAILS, "__gc"},
    {"late finalizer",
     "local mt = {} for i = 1, 100 do setmetatable({}, mt) end\n"
     "mt.__gc = function() while true do end end return 1",
     RETURNS, "[1]"},
    {"metatable of strings", "getmetatable('').__index = {}", FAILS, "nil value"},
    {"setmetatable of a string", "setmetatable('', {})", FAILS, "table expected"},
    {"protected metatable", "setmetatable(setmetatable({}, {__metatable = 1}), {})", FAILS,
     "protected"},
    {"error with __tostring",
     "error(setmetatable({}, {__tostring = function() while true do end end}))", FAILS,
     "the error is a table value"},
    {"error with __name", "error(setmetatable({}, {__name = ('x'):rep(1000000)}))", FAILS,
     "the error is a table value"},
    {"nil error", "error(nil)", FAILS, "nil value"},
    {"__tostring of a number",
     "return tostring(setmetatable({}, {__tostring = function() return 1 end}))", RETURNS,
     "[\"1\"]"},
    {"bad comparator",
     "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() return true end)",
     FAILS, "invalid order function"},
    {"next of a foreign key", "next({}, 1)", FAILS, "invalid key"},
    {"pack with a bad size", "string.pack('i99', 1)", FAILS, "out of limits"},
    {"long slice", "return ('x'):rep(4000000):byte(1, -1)", FAILS, "too long"},

    /* Results */
    {"result with a cycle", "local t = {} t[1] = t return t", FAILS, "nested deeper"},
    {"result too wide", "local t = {} for i = 1, 60000 do t[i] = 0 end return t", FAILS,
     "50,000 values"},
    {"result too large", "local s = ('x'):rep(1000000) return {s, s, s, s, s, s, s, s, s}", FAILS,
     "8 MiB"},
    {"result with a function", "return {f = tostring}", FAILS, "a function"},
    {"result with __index",
     "return setmetatable({}, {__index = function() while true do end end, __pairs = error})",
     RETURNS, "[{}]"},
    {"many results", "return table.unpack({}, 1, 60000)", FAILS, "50,000 values"},
};
#define N_SCRIPTS (sizeof scripts / sizeof scripts[0])

struct fixture {
    struct lx_loop *loop;
    struct policy_dir dir;
    struct lx_policy *policy;
    bool ready;
};

struct answer {
    bool came;
    char *results;
    struct lx_err err;
};

static void on_ready(void *arg, const struct lx_err *err)
{
    struct fixture *fx = arg;
    fx->ready = true;
    if (err)
        fail_msg("%s", err->text);
}

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct answer *answer = arg;
    answer->came = true;
    assert_true(defined);
    answer->results = lx_json_text(results);
    if (err)
        answer->err = *err;
}

static struct answer call(struct fixture *fx, const char *function)
{
    struct answer answer = {0};
    json_t *args = json_array();
    struct lx_err err;
    lx_policy_call(fx->policy, function, args, on_result, &answer);
    json_decref(args);
    if (lx_loop_run_until(fx->loop, &answer.came, 30000, &err))
        fail_msg("%s: %s", function, err.text);
    return answer;
}

static char self[4096]; /* this program's path; set once in main */

static int setup(void **state)
{
    struct fixture *fx = lx_alloc(sizeof *fx);
    struct lx_buf source = LX_BUF_INIT(1 << 20);
    const struct lx_policy_opts opts = {.exe = self,
                                        .call_timeout_ms = CALL_MS,
                                        .call_cpu_ms = CPU_MS,
                                        .load_timeout_ms = 10000,
                                        .memory_max = MEMORY_MAX};
    dir_init(&fx->dir);
    assert_int_equal(lx_loop_new(&fx->loop, NULL), 0);
    lx_buf_adds(&source, "local M = {api = 1}\nfunction M.ok() return 1 end\n", NULL);
    for (size_t i = 0; i < N_SCRIPTS; i++)
        lx_buf_addf(&source, NULL, "function M.h%zu()\n%s\nend\n", i, scripts[i].body);
    lx_buf_adds(&source, "return M\n", NULL);
    dir_write(&fx->dir, "policy/policy.lua", lx_buf_str(&source));
    lx_buf_done(&source);
    assert_int_equal(
        lx_policy_new(fx->loop, dir_load(&fx->dir), &opts, NULL, on_ready, fx, &fx->policy, NULL),
        0);
    assert_int_equal(lx_loop_run_until(fx->loop, &fx->ready, 30000, NULL), 0);
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fx = *state;
    lx_policy_free(fx->policy);
    lx_loop_free(fx->loop);
    dir_done(&fx->dir);
    free(fx);
    return 0;
}

static bool is_as_expected(const struct script *script, const struct answer *answer)
{
    enum lx_code code = answer->err.code;
    switch (script->outcome) {
    case STOPPED:
        return code == LX_E_TIMEOUT || (code == LX_E_REFUSED && strstr(answer->err.text, "limit"));
    case FAILS:
        return code == LX_E_REFUSED && strstr(answer->err.text, script->says);
    case RETURNS:
        return code == LX_OK && lx_streq(answer->results, script->says);
    }
    return false;
}

static void test_each_is_contained(void **state)
{
    struct fixture *fx = *state;
    unsigned wrong = 0;
    for (size_t i = 0; i < N_SCRIPTS; i++) {
        char function[16];
        snprintf(function, sizeof function, "h%zu", i);
        struct answer answer = call(fx, function);
        if (!is_as_expected(&scripts[i], &answer)) {
            print_error("%s: %s: %.200s\n", scripts[i].name, lx_code_name(answer.err.code),
                        answer.err.code ? answer.err.text : answer.results);
            wrong++;
        }
        free(answer.results);
        answer = call(fx, "ok");
        if (answer.err.code != LX_OK || !lx_streq(answer.results, "[1]"))
            fail_msg("after %s: %s", scripts[i].name, answer.err.text);
        free(answer.results);
    }
    assert_int_equal(wrong, 0);
}

/* While one call burns its time, the loop goes on with everything else. */
static void on_tick(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_the_loop_is_not_held_up(void **state)
{
    struct fixture *fx = *state;
    unsigned ticks = 0;
    struct lx_timer *timer = lx_timer_new(fx->loop, on_tick, &ticks);
    lx_timer_start(timer, 10, 10);
    uint64_t before = lx_now_ms();
    struct answer answer = call(fx, "h17"); /* backtracking: until the deadline */
    uint64_t took = lx_now_ms() - before;
    lx_timer_free(timer);
    assert_int_equal(answer.err.code, LX_E_TIMEOUT);
    free(answer.results);
    if (ticks < took / 10 / 4)
        fail_msg("%u ticks of 10 ms in %u ms", ticks, (unsigned)took);
}

int main(int argc, char **argv)
{
    if (argc == 2 && lx_streq(argv[1], "policy-child"))
        return lx_policy_child_main(3);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_is_contained, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_loop_is_not_held_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
