#include "guard.h"

#include "bridge.h"

#include <lauxlib.h>

/* ---- Metatables ---- */

LX_RAISES int lx_guard_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    lua_settop(L, 2);
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "a policy may not set a finalizer (__gc)");
        lua_pop(L, 1);
    }
    if (!lx_bridge_is_array(L, 1) && luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

LX_RAISES int lx_guard_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_istable(L, 1) || lx_bridge_is_array(L, 1) || !lua_getmetatable(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    luaL_getmetafield(L, 1, "__metatable");
    return 1;
}

/* ---- string ---- */

LX_RAISES static int guard_rep(lua_State *L)
{
    size_t len = 0, sep_len = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    const char *sep = luaL_optlstring(L, 3, "", &sep_len);
    if (n <= 0 || len + sep_len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (len + sep_len < len || n > LX_GUARD_REP_MAX / (lua_Integer)(len + sep_len))
        return luaL_error(L, "string.rep makes at most %d bytes here", (int)LX_GUARD_REP_MAX);
    luaL_Buffer out;
    luaL_buffinitsize(L, &out, (size_t)n * (len + sep_len));
    for (lua_Integer i = 0; i < n; i++) {
        luaL_addlstring(&out, text, len);
        if (i < n - 1)
            luaL_addlstring(&out, sep, sep_len);
    }
    luaL_pushresult(&out);
    return 1;
}

LX_RAISES void lx_guard_string(lua_State *L)
{
    lua_pushcfunction(L, guard_rep);
    lua_setfield(L, -2, "rep");
}

/* ---- table ---- */

/* Tables only, and none whose metatable answers for its length: the originals believe it and
 * loop that often. */
LX_RAISES static void check_table(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    if (luaL_getmetafield(L, arg, "__len") != LUA_TNIL)
        luaL_argerror(L, arg, "a table with __len is not accepted here");
}

LX_RAISES static void check_range(lua_State *L, lua_Integer first, lua_Integer last)
{
    if (first <= last && (lua_Unsigned)last - (lua_Unsigned)first >= LX_GUARD_ITEMS_MAX)
        luaL_error(L, "more than %d items", LX_GUARD_ITEMS_MAX);
}

/* Calls the original (upvalue 1) with all arguments. */
LX_RAISES static int call_original(lua_State *L)
{
    int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

/* insert, remove, sort: work on the whole list. */
LX_RAISES static int guard_list(lua_State *L)
{
    check_table(L, 1);
    check_range(L, 1, (lua_Integer)lua_rawlen(L, 1));
    return call_original(L);
}

/* unpack(list, i, j) has its range at 2, concat(list, sep, i, j) at 3. */
LX_RAISES static int guard_range(lua_State *L)
{
    int at = (int)lua_tointeger(L, lua_upvalueindex(2));
    check_table(L, 1);
    lua_Integer last = luaL_opt(L, luaL_checkinteger, at + 1, (lua_Integer)lua_rawlen(L, 1));
    check_range(L, luaL_optinteger(L, at, 1), last);
    return call_original(L);
}

/* move(from, first, last, at, to) */
LX_RAISES static int guard_move(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    check_range(L, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
    return call_original(L);
}

/* With the table of `table` at the top: wraps its function `name`. */
LX_RAISES static void wrap(lua_State *L, const char *name, lua_CFunction guard, int range_at)
{
    lua_getfield(L, -1, name);
    lua_pushinteger(L, range_at);
    lua_pushcclosure(L, guard, 2);
    lua_setfield(L, -2, name);
}

LX_RAISES void lx_guard_table(lua_State *L)
{
    wrap(L, "insert", guard_list, 0);
    wrap(L, "remove", guard_list, 0);
    wrap(L, "sort", guard_list, 0);
    wrap(L, "unpack", guard_range, 2);
    wrap(L, "concat", guard_range, 3);
    wrap(L, "move", guard_move, 0);
}
