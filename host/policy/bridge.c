#include "bridge.h"

#include <lauxlib.h>
#include <string.h>

/* Its address is the registry key of the arrays' metatable. */
static const char array_key;

LX_RAISES void lx_bridge_open(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
}

bool lx_bridge_is_array(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* ---- In ---- */

struct pushing {
    struct lx_value_reader *reader;
    size_t nodes;
    unsigned depth;
    int array_meta; /* stack index */
};

LX_RAISES static void push(lua_State *L, struct pushing *in);

LX_RAISES static void push_array(lua_State *L, struct pushing *in, size_t n)
{
    lua_createtable(L, (int)n, 0);
    for (size_t i = 1; i <= n; i++) {
        push(L, in);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    lua_pushvalue(L, in->array_meta);
    lua_setmetatable(L, -2);
}

LX_RAISES static void push_object(lua_State *L, struct pushing *in, size_t n)
{
    lua_createtable(L, 0, (int)n);
    for (size_t i = 0; i < n; i++) {
        const char *key = NULL;
        size_t len = 0;
        if (lx_value_key(in->reader, &key, &len))
            luaL_error(L, "malformed value");
        lua_pushlstring(L, key, len);
        push(L, in);
        lua_rawset(L, -3);
    }
}

LX_RAISES static void push(lua_State *L, struct pushing *in)
{
    struct lx_value_token token;
    if (lx_value_next(in->reader, &token))
        luaL_error(L, "malformed value");
    if (++in->nodes > LX_VALUE_NODES_MAX)
        luaL_error(L, "more than %d values", LX_VALUE_NODES_MAX);
    if (in->depth > LX_VALUE_DEPTH_MAX)
        luaL_error(L, "nested deeper than %d levels", LX_VALUE_DEPTH_MAX);
    luaL_checkstack(L, 4, "values");
    in->depth++;
    switch (token.kind) {
    case LX_VALUE_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case LX_VALUE_FALSE:
    case LX_VALUE_TRUE:
        lua_pushboolean(L, token.kind == LX_VALUE_TRUE);
        break;
    case LX_VALUE_INT:
        lua_pushinteger(L, token.num);
        break;
    case LX_VALUE_REAL:
        lua_pushnumber(L, token.real);
        break;
    case LX_VALUE_STRING:
        lua_pushlstring(L, token.data, token.len);
        break;
    case LX_VALUE_ARRAY:
        push_array(L, in, token.len);
        break;
    case LX_VALUE_OBJECT:
        push_object(L, in, token.len);
        break;
    }
    in->depth--;
}

LX_RAISES void lx_bridge_push(lua_State *L, struct lx_value_reader *reader)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    struct pushing in = {.reader = reader, .array_meta = lua_gettop(L)};
    push(L, &in);
    lua_remove(L, in.array_meta);
}

/* ---- Out ---- */

/* One step of the path to the value being written; links to the step before. */
struct step {
    const struct step *before;
    const char *key; /* NULL for a list item */
    lua_Integer index;
};

struct putting {
    struct lx_buf *out;
    size_t nodes;
    unsigned depth;
    const struct step *path;
};

/* Pushes "spec.containers[2].env" for a path. */
LX_RAISES static void push_path(lua_State *L, const struct step *last)
{
    const struct step *steps[LX_VALUE_DEPTH_MAX + 2];
    size_t n = 0;
    for (const struct step *step = last; step && n < LX_VALUE_DEPTH_MAX + 2; step = step->before)
        steps[n++] = step;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (size_t i = n; i > 0; i--) {
        const struct step *step = steps[i - 1];
        if (step->key && i < n)
            luaL_addchar(&text, '.');
        if (step->key)
            lua_pushfstring(L, "%s", step->key);
        else
            lua_pushfstring(L, "[%I]", (LUAI_UACINT)step->index);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
}

/* Raises "<path>: <message>". */
LX_RAISES static void fail(lua_State *L, const struct putting *to, const char *message)
{
    luaL_checkstack(L, 8, "path");
    if (!to->path)
        luaL_error(L, "result: %s", message);
    push_path(L, to->path);
    luaL_error(L, "result %s: %s", lua_tostring(L, -1), message);
}

LX_RAISES static void check(lua_State *L, const struct putting *to, int rc)
{
    if (rc)
        fail(L, to, "results are larger than 8 MiB");
}

LX_RAISES static void put(lua_State *L, struct putting *to, int index);

LX_RAISES static void put_string(lua_State *L, struct putting *to, int index)
{
    size_t len = 0;
    const char *data = lua_tolstring(L, index, &len);
    if (!lx_utf8_valid(data, len))
        fail(L, to, "a string that is not valid UTF-8");
    check(L, to, lx_value_put_string(to->out, data, len, NULL));
}

LX_RAISES static void put_number(lua_State *L, struct putting *to, int index)
{
    if (lua_isinteger(L, index)) {
        check(L, to, lx_value_put_int(to->out, lua_tointeger(L, index), NULL));
        return;
    }
    lua_Number number = lua_tonumber(L, index);
    lua_Integer whole = 0;
    if (lua_numbertointeger(number, &whole) && (lua_Number)whole == number)
        check(L, to, lx_value_put_int(to->out, whole, NULL));
    else if (number - number != 0.0) /* NaN and both infinities */
        fail(L, to, "a number that is not finite");
    else
        check(L, to, lx_value_put_real(to->out, number, NULL));
}

/* All keys must be 1..n. */
LX_RAISES static void put_array(lua_State *L, struct putting *to, int index)
{
    lua_Unsigned n = lua_rawlen(L, index), seen = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (!lua_isinteger(L, -2))
            fail(L, to, "a list that also has keys");
        if ((lua_Unsigned)lua_tointeger(L, -2) - 1 >= n)
            fail(L, to, "a list with holes");
        seen++;
    }
    if (seen != n)
        fail(L, to, "a list with holes");
    check(L, to, lx_value_put_head(to->out, LX_VALUE_ARRAY, n, NULL));
    struct step step = {.before = to->path};
    to->path = &step;
    for (step.index = 1; (lua_Unsigned)step.index <= n; step.index++) {
        lua_rawgeti(L, index, step.index);
        put(L, to, lua_gettop(L));
        lua_pop(L, 1);
    }
    to->path = step.before;
}

/* With the first key and value on the stack. */
LX_RAISES static void put_object(lua_State *L, struct putting *to, int index)
{
    size_t count = 0, count_at = 0;
    check(L, to, lx_value_put_open(to->out, LX_VALUE_OBJECT, &count_at, NULL));
    struct step step = {.before = to->path};
    do {
        if (lua_type(L, -2) != LUA_TSTRING)
            fail(L, to, "a table with keys that are not strings, or a list that also has keys");
        size_t len = 0;
        const char *key = lua_tolstring(L, -2, &len);
        step.key = key;
        to->path = &step;
        if (!lx_utf8_valid(key, len) || memchr(key, 0, len))
            fail(L, to, "a key that is not valid UTF-8 or holds a NUL");
        check(L, to, lx_value_put_key(to->out, key, len, NULL));
        put(L, to, lua_gettop(L));
        to->path = step.before;
        count++;
        lua_pop(L, 1);
    } while (lua_next(L, index));
    lx_value_set_count(to->out, count_at, count);
}

LX_RAISES static void put_table(lua_State *L, struct putting *to, int index)
{
    bool marked = lx_bridge_is_array(L, index);
    lua_pushnil(L);
    if (!lua_next(L, index)) {
        check(L, to,
              lx_value_put_head(to->out, marked ? LX_VALUE_ARRAY : LX_VALUE_OBJECT, 0, NULL));
    } else if (marked || lua_type(L, -2) == LUA_TNUMBER) {
        lua_pop(L, 2);
        put_array(L, to, index);
    } else {
        put_object(L, to, index);
    }
}

LX_RAISES static void put(lua_State *L, struct putting *to, int index)
{
    if (++to->nodes > LX_VALUE_NODES_MAX)
        fail(L, to, "more than 50,000 values");
    if (to->depth > LX_VALUE_DEPTH_MAX)
        fail(L, to, "nested deeper than 64 levels");
    luaL_checkstack(L, 6, "results");
    to->depth++;
    int type = lua_type(L, index);
    if (type == LUA_TNIL || (type == LUA_TLIGHTUSERDATA && !lua_touserdata(L, index)))
        check(L, to, lx_value_put_kind(to->out, LX_VALUE_NULL, NULL));
    else if (type == LUA_TBOOLEAN)
        check(L, to, lx_value_put_bool(to->out, lua_toboolean(L, index), NULL));
    else if (type == LUA_TNUMBER)
        put_number(L, to, index);
    else if (type == LUA_TSTRING)
        put_string(L, to, index);
    else if (type == LUA_TTABLE)
        put_table(L, to, index);
    else
        fail(L, to, lua_pushfstring(L, "a %s cannot be part of a result", lua_typename(L, type)));
    to->depth--;
}

LX_RAISES void lx_bridge_put(lua_State *L, int index, struct lx_buf *out, size_t *nodes)
{
    struct putting to = {.out = out, .nodes = *nodes};
    put(L, &to, lua_absindex(L, index));
    *nodes = to.nodes;
}

/* ---- The module ---- */

LX_RAISES static int json_array_mark(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    lua_setmetatable(L, 1);
    return 1;
}

static int json_is_array_mark(lua_State *L)
{
    lua_pushboolean(L, lx_bridge_is_array(L, 1));
    return 1;
}

LX_RAISES static int json_object_mark(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lx_bridge_is_array(L, 1)) {
        lua_pushnil(L);
        lua_setmetatable(L, 1);
    }
    return 1;
}

LX_RAISES void lx_bridge_push_module(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"array", json_array_mark},
        {"is_array", json_is_array_mark},
        {"object", json_object_mark},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
