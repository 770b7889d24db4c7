/*
 * Stand-ins for C functions of Lua's libraries that burn time or memory without executing an
 * instruction, or that would let a script out of its call. They behave as the originals within
 * their limits and say what the limit is beyond.
 */
#ifndef LX_POLICY_GUARD_H
#define LX_POLICY_GUARD_H

#include "raises.h"

/* The most items one call of a table function walks over. */
#define LX_GUARD_ITEMS_MAX 1000000
/* The longest string that string.rep makes. */
#define LX_GUARD_REP_MAX ((lua_Integer)8 << 20)

/* setmetatable, for tables only; none with __gc, since a finaliser runs outside every limit. */
LX_RAISES int lx_guard_setmetatable(lua_State *L);
/* getmetatable; nil for what is no table, and for arrays. */
LX_RAISES int lx_guard_getmetatable(lua_State *L);

/* Replaces rep in the table of `string` at the top of the stack. */
LX_RAISES void lx_guard_string(lua_State *L);
/* Replaces concat, insert, move, remove, sort and unpack in the table of `table` at the top. */
LX_RAISES void lx_guard_table(lua_State *L);

#endif
