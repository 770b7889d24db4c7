#include "sandbox.h"

#include "bridge.h"
#include "guard.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <lualib.h>
#include <string.h>

/* lua-cjson's second entry; its header declares the first only. */
int luaopen_cjson_safe(lua_State *L);

/* Registry keys: the globals and libraries to copy for a call; the compiled modules by name. */
static const char base_key, chunks_key;

/* ---- What there is to see ---- */

static const char *const base_names[] = {
    "assert", "error",  "ipairs", "next",   "pairs",    "pcall",    "rawequal",
    "rawget", "rawlen", "rawset", "select", "tonumber", "tostring", "type",
};

struct library {
    const char *name;
    lua_CFunction open;
    const char *removed[4]; /* what a policy has no use for or would do harm with */
    void (*guard)(lua_State *L);
};

static const struct library libraries[] = {
    {LUA_STRLIBNAME, luaopen_string, {"dump"}, lx_guard_string},
    {LUA_TABLIBNAME, luaopen_table, {NULL}, lx_guard_table},
    {LUA_MATHLIBNAME, luaopen_math, {"random", "randomseed"}, NULL},
    {LUA_UTF8LIBNAME, luaopen_utf8, {NULL}, NULL},
};

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* Pushes the library's table without what is removed, with guards in place. */
LX_RAISES static void push_library(lua_State *L, const struct library *library)
{
    lua_pushcfunction(L, library->open);
    lua_pushstring(L, library->name);
    lua_call(L, 1, 1);
    for (size_t i = 0; i < N_OF(library->removed) && library->removed[i]; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, library->removed[i]);
    }
    if (library->guard)
        library->guard(L);
}

/* Methods of strings come from a copy nobody can reach: one changed there would be changed for
 * every later call. */
LX_RAISES static void seal_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

LX_RAISES static void open_base(lua_State *L)
{
    lua_newtable(L);
    int base = lua_gettop(L);
    lua_pushcfunction(L, luaopen_base);
    lua_call(L, 0, 1);
    for (size_t i = 0; i < N_OF(base_names); i++) {
        lua_getfield(L, -1, base_names[i]);
        lua_setfield(L, base, base_names[i]);
    }
    lua_getfield(L, -1, "_VERSION");
    lua_setfield(L, base, "_VERSION");
    lua_pop(L, 1);
    lua_pushcfunction(L, lx_guard_setmetatable);
    lua_setfield(L, base, "setmetatable");
    lua_pushcfunction(L, lx_guard_getmetatable);
    lua_setfield(L, base, "getmetatable");
    for (size_t i = 0; i < N_OF(libraries); i++) {
        push_library(L, &libraries[i]);
        lua_setfield(L, base, libraries[i].name);
    }
}

/* The state's own table of globals, which luaopen_base filled, is no script's environment; it is
 * emptied all the same. */
LX_RAISES static void empty_globals(lua_State *L)
{
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

LX_RAISES void lx_sandbox_open(lua_State *L)
{
    lx_bridge_open(L);
    open_base(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &base_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &chunks_key);
    seal_strings(L);
    empty_globals(L);
}

LX_RAISES void lx_sandbox_compile(lua_State *L, const char *name, const char *source, size_t len)
{
    /* "template" is template.lua of the operator's; "lunexec.pod" is lunexec/pod.lua of ours. */
    const char *chunk = lua_pushfstring(L, "@%s.lua", luaL_gsub(L, name, ".", "/"));
    if (luaL_loadbufferx(L, source, len, chunk, "t") != LUA_OK)
        lua_error(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 3);
}

/* ---- A call's environment ---- */

/* Pushes a copy of the table at the top, whose tables are copied too. */
LX_RAISES static void push_copy(lua_State *L)
{
    luaL_checkstack(L, 6, "environment");
    int from = lua_gettop(L);
    lua_createtable(L, 0, 32);
    for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        if (lua_istable(L, -2)) {
            lua_pushvalue(L, -2);
            push_copy(L);
            lua_remove(L, -2);
        } else {
            lua_pushvalue(L, -2);
        }
        lua_rawset(L, from + 1);
    }
}

/* lua-cjson keeps settings and a buffer in its functions, so each call gets its own; those
 * settings are left out, since with them scripts could lift its limits. */
LX_RAISES static void push_cjson(lua_State *L, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
    lua_createtable(L, 0, 3);
    static const char *const kept[] = {"encode", "decode", "null"};
    for (size_t i = 0; i < N_OF(kept); i++) {
        lua_getfield(L, -2, kept[i]);
        lua_setfield(L, -2, kept[i]);
    }
    lua_remove(L, -2);
}

/* Runs the chunk of `name` at the top in the call's environment; leaves its result. */
LX_RAISES static void run_chunk(lua_State *L, const char *name)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setupvalue(L, -2, 1); /* every chunk's first upvalue is _ENV */
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, true);
    }
}

/* Upvalues: the environment, the modules loaded in this call. */
LX_RAISES static int sandbox_require(lua_State *L)
{
    static const char loading;
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        if (lua_touserdata(L, -1) == &loading)
            return luaL_error(L, "module '%s' is still being loaded (a loop), or failed to", name);
        return 1;
    }
    lua_pop(L, 1);
    if (strcmp(name, "lunexec.json") == 0) {
        lx_bridge_push_module(L);
    } else if (strcmp(name, "cjson") == 0) {
        push_cjson(L, luaopen_cjson);
    } else if (strcmp(name, "cjson.safe") == 0) {
        push_cjson(L, luaopen_cjson_safe);
    } else {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
        if (lua_getfield(L, -1, name) == LUA_TNIL)
            return luaL_error(L, "module '%s' not found", name);
        lua_pushlightuserdata(L, (void *)(uintptr_t)&loading);
        lua_setfield(L, 2, name);
        run_chunk(L, name);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, 2, name);
    return 1;
}

LX_RAISES void lx_sandbox_push_require(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &base_key);
    push_copy(L);
    lua_remove(L, -2);
    int env = lua_gettop(L);
    lua_pushvalue(L, env);
    lua_newtable(L);
    lua_pushcclosure(L, sandbox_require, 2);
    lua_pushvalue(L, -1);
    lua_setfield(L, env, "require");
    lua_remove(L, env);
}
