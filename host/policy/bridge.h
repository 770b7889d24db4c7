/*
 * Between Lua values and the bytes of value.h: the child's side of the bridge.
 *
 * JSON arrays become tables with one shared metatable, so that an empty one stays an array; null
 * is the light userdata NULL (lua-cjson's `null` too). On the way out: a marked table is an array,
 * an unmarked empty one an object, an unmarked one with keys 1..n an array; a table with holes or
 * mixed keys is an error that names its path. Metatables of the policy's own are never asked.
 * Floats that are whole numbers leave as integers; NaN and infinities are errors.
 */
#ifndef LX_POLICY_BRIDGE_H
#define LX_POLICY_BRIDGE_H

#include "raises.h"
#include "value.h"

/* Prepares a state; before any of the others. */
LX_RAISES void lx_bridge_open(lua_State *L);

/* Pushes the next value. */
LX_RAISES void lx_bridge_push(lua_State *L, struct lx_value_reader *reader);

/* Appends the value at `index`; adds the values written to *nodes, for the limit that all results
 * of a call share. Paths in messages are Lua's: lists count from 1. */
LX_RAISES void lx_bridge_put(lua_State *L, int index, struct lx_buf *out, size_t *nodes);

/* Whether the table at `index` is marked as an array. */
bool lx_bridge_is_array(lua_State *L, int index);

/* Pushes a new copy of the module "lunexec.json": null, array, is_array, object. */
LX_RAISES void lx_bridge_push_module(lua_State *L);

#endif
