#include "vm.h"

#include "bridge.h"
#include "frame.h"
#include "heap.h"
#include "lunexec/clock.h"
#include "lunexec/mem.h"
#include "sandbox.h"

#include <lauxlib.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>

/* Garbage of earlier calls that is left lying: more of it would not stay in the processor's cache.
 */
#define GARBAGE_MAX ((size_t)512 << 10)
/* For loading, in milliseconds of processor time. */
#define LOAD_CPU_MS 1600

/* Registry key: the policy's table, in an environment that no call has used. */
static const char prepared_key;

struct lx_vm {
    lua_State *L;
    struct lx_heap *heap;
    size_t max;     /* bytes of the state */
    size_t settled; /* in use after the last full collection */
    int64_t cpu_ms;
    bool loaded;
    bool eager;                    /* the next call's policy is made ready in advance */
    bool refused;                  /* an allocation was refused in this message */
    volatile sig_atomic_t expired; /* interrupted in this message */
    char where[LUA_IDSIZE + 24];   /* position when memory was refused: "policy.lua:12: " or "" */
    struct lx_buf *out;            /* of the message being served */
    struct lx_value_reader in;
};

/* ---- Memory ---- */

/* Notes where the script was; called inside an allocation, so it may allocate nothing. */
static void on_refusal(void *arg)
{
    struct lx_vm *vm = arg;
    lua_Debug ar;
    vm->refused = true;
    vm->where[0] = 0;
    for (int level = 0; lua_getstack(vm->L, level, &ar); level++) {
        if (lua_getinfo(vm->L, "Sl", &ar) && ar.currentline > 0) {
            snprintf(vm->where, sizeof vm->where, "%s:%d: ", ar.short_src, ar.currentline);
            return;
        }
    }
}

static void collect(struct lx_vm *vm)
{
    lua_gc(vm->L, LUA_GCCOLLECT);
    vm->settled = lx_heap_used(vm->heap);
}

/* ---- Time ---- */

LX_RAISES static void on_expired(lua_State *L, lua_Debug *ar)
{
    lua_getinfo(L, "Sl", ar);
    lua_pushfstring(L, "%s:%d: the time limit is used up", ar->short_src, ar->currentline);
    lua_error(L);
}

void lx_vm_interrupt(struct lx_vm *vm)
{
    vm->expired = 1;
    /* lua_sethook is the one function that may be called at any moment. A count of 1 fires at
     * every instruction, so that no pcall in a loop outlasts it. */
    lua_sethook(vm->L, on_expired, LUA_MASKCOUNT, 1);
}

/* ---- Errors ---- */

/* The handler of the protected call: turns any error value into text with a traceback, without
 * asking a metatable. */
LX_RAISES static int on_error(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_istable(L, 1)) {
        lua_pushliteral(L, "message");
        if (lua_rawget(L, 1) == LUA_TSTRING)
            lua_replace(L, 1);
        lua_settop(L, 1);
    }
    if (lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TNUMBER) {
        lua_pushfstring(L, "(the error is a %s value)", luaL_typename(L, 1));
        lua_replace(L, 1);
    }
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* The text as an answer may carry it: short enough, valid UTF-8. */
static size_t clean_text(const char *text, size_t len, char out[LX_VM_ERROR_MAX])
{
    size_t n = len < LX_VM_ERROR_MAX ? len : LX_VM_ERROR_MAX;
    memcpy(out, text, n);
    while (n > 0 && n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--; /* not within a character */
    if (!lx_utf8_valid(out, n))
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)out[i] >= 0x80)
                out[i] = '?';
    return n;
}

static int put_error(struct lx_vm *vm, const char *text, size_t len, struct lx_err *err)
{
    char clean[LX_VM_ERROR_MAX];
    bool limit = vm->expired || vm->refused;
    size_t n = clean_text(text, len, clean);
    if (lx_frame_begin(vm->out, err) || lx_value_put_head(vm->out, LX_VALUE_ARRAY, 3, err) ||
        lx_value_put_string(vm->out, "error", 5, err) ||
        lx_value_put_string(vm->out, limit ? "limit" : "error", 5, err) ||
        lx_value_put_string(vm->out, clean, n, err))
        return -1;
    lx_frame_seal(vm->out);
    return 0;
}

/* ---- Messages ---- */

LX_RAISES static void need(lua_State *L, int rc)
{
    if (rc)
        luaL_error(L, "out of memory for the answer");
}

LX_RAISES static void put_ok(lua_State *L, struct lx_vm *vm, size_t items)
{
    need(L, lx_value_put_head(vm->out, LX_VALUE_ARRAY, items, NULL));
    need(L, lx_value_put_string(vm->out, "ok", 2, NULL));
}

LX_RAISES static struct lx_value_token next(lua_State *L, struct lx_vm *vm, enum lx_value_kind kind)
{
    struct lx_value_token token;
    if (lx_value_next(&vm->in, &token) || token.kind != kind)
        luaL_error(L, "malformed message");
    return token;
}

/* Runs policy.lua in a fresh environment; leaves the table it returned at the top. */
LX_RAISES static void push_policy(lua_State *L)
{
    lx_sandbox_push_require(L);
    lua_pushliteral(L, "policy");
    lua_call(L, 1, 1);
    if (!lua_istable(L, -1))
        luaL_error(L, "policy.lua returned a %s; it must return a table", luaL_typename(L, -1));
}

/* The same, made in advance if it was; each is used once. */
LX_RAISES static void push_fresh_policy(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &prepared_key) == LUA_TTABLE) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &prepared_key);
        return;
    }
    lua_pop(L, 1);
    push_policy(L);
}

LX_RAISES static lua_Integer check_api(lua_State *L)
{
    lua_pushliteral(L, "api");
    lua_rawget(L, -2);
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) != LX_VM_API)
        luaL_error(L, "policy.lua: the table it returns must have api = %d", LX_VM_API);
    lua_Integer api = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return api;
}

/* Appends the names of the functions in the table at the top. */
LX_RAISES static void put_functions(lua_State *L, struct lx_vm *vm)
{
    size_t at = 0, n = 0, nodes = 0;
    need(L, lx_value_put_open(vm->out, LX_VALUE_ARRAY, &at, NULL));
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_isfunction(L, -1))
            continue;
        lx_bridge_put(L, -2, vm->out, &nodes);
        n++;
    }
    lx_value_set_count(vm->out, at, n);
}

LX_RAISES static void serve_load(lua_State *L, struct lx_vm *vm)
{
    if (vm->loaded)
        luaL_error(L, "a bundle is loaded already");
    vm->max = (size_t)next(L, vm, LX_VALUE_INT).num;
    lx_heap_limit(vm->heap, vm->max);
    int64_t cpu_ms = next(L, vm, LX_VALUE_INT).num;
    struct lx_value_token modules = next(L, vm, LX_VALUE_OBJECT);
    for (size_t i = 0; i < modules.len; i++) {
        const char *name = NULL;
        size_t len = 0;
        if (lx_value_key(&vm->in, &name, &len))
            luaL_error(L, "malformed message");
        struct lx_value_token source = next(L, vm, LX_VALUE_STRING);
        lx_sandbox_compile(L, lua_pushlstring(L, name, len), source.data, source.len);
        lua_pop(L, 1);
    }
    push_policy(L);
    put_ok(L, vm, 3);
    need(L, lx_value_put_int(vm->out, check_api(L), NULL));
    put_functions(L, vm);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &prepared_key);
    vm->cpu_ms = cpu_ms;
    vm->loaded = true;
    vm->eager = true;
}

/* Appends the time that the function took, and the values above `first` as an array. */
LX_RAISES static void put_results(lua_State *L, struct lx_vm *vm, int first, uint64_t ns)
{
    int last = lua_gettop(L);
    size_t nodes = 0;
    put_ok(L, vm, 3);
    need(L, lx_value_put_int(vm->out, (int64_t)ns, NULL));
    need(L, lx_value_put_head(vm->out, LX_VALUE_ARRAY, (size_t)(last - first), NULL));
    for (int i = first + 1; i <= last; i++)
        lx_bridge_put(L, i, vm->out, &nodes);
}

LX_RAISES static void serve_call(lua_State *L, struct lx_vm *vm)
{
    if (!vm->loaded)
        luaL_error(L, "no bundle is loaded");
    struct lx_value_token name = next(L, vm, LX_VALUE_STRING);
    struct lx_value_token args = next(L, vm, LX_VALUE_ARRAY);
    push_fresh_policy(L);
    lua_pushlstring(L, name.data, name.len);
    int before = lua_gettop(L) - 1;
    if (lua_rawget(L, -2) != LUA_TFUNCTION) {
        need(L, lx_value_put_head(vm->out, LX_VALUE_ARRAY, 1, NULL));
        need(L, lx_value_put_string(vm->out, "undefined", 9, NULL));
        return;
    }
    luaL_checkstack(L, (int)args.len, "arguments");
    for (size_t i = 0; i < args.len; i++)
        lx_bridge_push(L, &vm->in);
    uint64_t began = lx_now_ns();
    lua_call(L, (int)args.len, LUA_MULTRET);
    put_results(L, vm, before, lx_now_ns() - began);
}

/* The whole of a message runs in one protected call. */
LX_RAISES static int serve_protected(lua_State *L)
{
    struct lx_vm *vm = lua_touserdata(L, 1);
    lua_settop(L, 0);
    next(L, vm, LX_VALUE_ARRAY);
    struct lx_value_token op = next(L, vm, LX_VALUE_STRING);
    if (op.len == 4 && memcmp(op.data, "load", 4) == 0)
        serve_load(L, vm);
    else if (op.len == 4 && memcmp(op.data, "call", 4) == 0)
        serve_call(L, vm);
    else
        luaL_error(L, "unknown message");
    return 0;
}

static int put_failure(struct lx_vm *vm, int status, struct lx_err *err)
{
    char text[sizeof vm->where + 80];
    if (status == LUA_ERRMEM) {
        snprintf(text, sizeof text, "%sthe memory limit of %zu KiB is used up", vm->where,
                 vm->max / 1024);
        vm->refused = true;
        return put_error(vm, text, strlen(text), err);
    }
    size_t len = 0;
    const char *message = lua_tolstring(vm->L, -1, &len);
    return message ? put_error(vm, message, len, err) : put_error(vm, "unknown error", 13, err);
}

int lx_vm_serve(struct lx_vm *vm, const char *data, size_t len, struct lx_buf *out,
                struct lx_err *err)
{
    vm->out = out;
    vm->in = (struct lx_value_reader){.at = data, .end = data + len};
    vm->refused = false;
    vm->expired = 0;
    if (lx_frame_begin(out, err))
        return -1;
    lua_pushcfunction(vm->L, on_error);
    lua_pushcfunction(vm->L, serve_protected);
    lua_pushlightuserdata(vm->L, vm);
    int status = lua_pcall(vm->L, 1, 0, 1);
    lua_sethook(vm->L, NULL, 0, 0);
    int rc = 0;
    if (status == LUA_OK)
        lx_frame_seal(out);
    else
        rc = put_failure(vm, status, err);
    lua_settop(vm->L, 0);
    return rc;
}

LX_RAISES static int prepare_protected(lua_State *L)
{
    push_policy(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &prepared_key);
    return 0;
}

/* A policy that fails here will fail again in the next call, where somebody is told. */
static void prepare(struct lx_vm *vm)
{
    vm->expired = 0;
    lua_pushcfunction(vm->L, prepare_protected);
    vm->eager = lua_pcall(vm->L, 0, 0, 0) == LUA_OK;
    lua_sethook(vm->L, NULL, 0, 0);
    lua_settop(vm->L, 0);
}

void lx_vm_tidy(struct lx_vm *vm)
{
    if (lx_heap_used(vm->heap) > vm->settled + GARBAGE_MAX)
        collect(vm);
    if (vm->eager)
        prepare(vm);
}

/* ---- Life ---- */

LX_RAISES static int open_protected(lua_State *L)
{
    lx_sandbox_open(L);
    return 0;
}

int lx_vm_new(struct lx_vm **ret_vm, struct lx_err *err)
{
    struct lx_vm *vm = lx_alloc(sizeof *vm);
    vm->cpu_ms = LOAD_CPU_MS;
    vm->heap = lx_heap_new();
    vm->L = lua_newstate(lx_heap_alloc, vm->heap);
    if (!vm->L) {
        lx_vm_free(vm);
        return lx_fail(err, LX_E_IO, "cannot create a Lua state");
    }
    /* An ordinary call is over before a collection would begin; lx_vm_tidy follows. */
    lua_gc(vm->L, LUA_GCINC, 1000, 0, 0);
    lua_pushcfunction(vm->L, open_protected);
    if (lua_pcall(vm->L, 0, 0, 0) != LUA_OK) {
        lx_fail(err, LX_E_IO, "cannot set up Lua: %s", lua_tostring(vm->L, -1));
        lx_vm_free(vm);
        return -1;
    }
    lx_heap_on_refusal(vm->heap, on_refusal, vm);
    collect(vm);
    *ret_vm = vm;
    return 0;
}

void lx_vm_free(struct lx_vm *vm)
{
    if (!vm)
        return;
    if (vm->L)
        lua_close(vm->L);
    lx_heap_free(vm->heap);
    free(vm);
}

void lx_vm_idle(struct lx_vm *vm)
{
    collect(vm);
    malloc_trim(0);
}

size_t lx_vm_memory(const struct lx_vm *vm)
{
    return lx_heap_used(vm->heap);
}

int64_t lx_vm_cpu_ms(const struct lx_vm *vm)
{
    return vm->cpu_ms;
}
