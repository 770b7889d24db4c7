/*
 * One Lua state that serves the messages of a policy child: bytes in, bytes out.
 *
 * Messages (values of value.h) and their answers:
 *   ["load", memory_max, cpu_ms, {module: source, ...}]  ->  ["ok", api, [function names]]
 *   ["call", function, [args...]]  ->  ["ok", ns, [results...]] or ["undefined"]
 *   either                         ->  ["error", "error" or "limit", text]
 * ns are the nanoseconds that the function ran. memory_max is for the whole state, cpu_ms for each
 * call. After "limit" the state is not to be used again: it was stopped at an arbitrary point.
 */
#ifndef LX_POLICY_VM_H
#define LX_POLICY_VM_H

#include "lunexec/buf.h"

#include <stddef.h>
#include <stdint.h>

struct lx_vm;

/* The API version that policies declare. */
#define LX_VM_API 1
/* The longest error text, traceback included. */
#define LX_VM_ERROR_MAX 4096

/* A state without a policy; the caller frees it. LX_E_IO when memory is out. */
int lx_vm_new(struct lx_vm **ret_vm, struct lx_err *err);
void lx_vm_free(struct lx_vm *vm);

/* Serves one message; the answer replaces the contents of `out`, as a sealed frame. Fails only
 * when the answer cannot be written (memory). */
int lx_vm_serve(struct lx_vm *vm, const char *data, size_t len, struct lx_buf *out,
                struct lx_err *err);

/* Stops the running script with an error at its next instruction: its time is up. May be called
 * from a signal handler. */
void lx_vm_interrupt(struct lx_vm *vm);

/* Milliseconds of processor time that the next message may use. */
int64_t lx_vm_cpu_ms(const struct lx_vm *vm);

/* Collects garbage if there is enough of it, and makes the policy of the next call ready, within
 * the time of a call; for after the answer. */
void lx_vm_tidy(struct lx_vm *vm);

/* Gives memory back; for when nothing is to be done. */
void lx_vm_idle(struct lx_vm *vm);

/* Bytes in use by the state. */
size_t lx_vm_memory(const struct lx_vm *vm);

#endif
