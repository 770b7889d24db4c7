/*
 * Marks a function that may leave by longjmp (a Lua error). Such a frame holds no lx_auto variable
 * and owns nothing that only C would free.
 */
#ifndef LX_POLICY_RAISES_H
#define LX_POLICY_RAISES_H

#include <lua.h>

#define LX_RAISES

#endif
