/*
 * What the policy child gives up before it reads a script: files, sockets, processes, signals,
 * new code pages, core dumps. A script that breaks out of Lua finds a process that can read its
 * socket, write to it, and end.
 */
#ifndef LX_POLICY_CONFINE_H
#define LX_POLICY_CONFINE_H

#include "lunexec/err.h"

#include <stddef.h>

/* Confines this process, for good. `fd` is the socket that stays usable, `memory_max` the address
 * space. LX_E_IO when the system call filter or the limits cannot be set; Landlock is added where
 * the kernel has it. */
int lx_confine(int fd, size_t memory_max, struct lx_err *err);

#endif
