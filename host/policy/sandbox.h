/*
 * What scripts see: an allow-listed environment, built fresh for each call, and `require` for the
 * modules of the bundle. Nothing a script can reach outlives its call.
 */
#ifndef LX_POLICY_SANDBOX_H
#define LX_POLICY_SANDBOX_H

#include "raises.h"

#include <stddef.h>

/* Opens Lua's libraries in a new state and puts what scripts may have aside. */
LX_RAISES void lx_sandbox_open(lua_State *L);

/* Compiles a module of the bundle: text only, never bytecode. */
LX_RAISES void lx_sandbox_compile(lua_State *L, const char *name, const char *source, size_t len);

/* Starts a call: pushes a new `require`, whose environment and modules are of this call alone. */
LX_RAISES void lx_sandbox_push_require(lua_State *L);

#endif
