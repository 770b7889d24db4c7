/*
 * Memory of one Lua state: accounted, limited, and quick for the small blocks that a script's
 * tables and closures are made of (malloc takes about a sixth of a call).
 */
#ifndef LX_POLICY_HEAP_H
#define LX_POLICY_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct lx_heap;

/* An empty heap; the caller frees it, after the state that uses it. */
struct lx_heap *lx_heap_new(void);
void lx_heap_free(struct lx_heap *heap);

/* The most bytes that may be in use from now on; 0: no limit, which is how it starts. */
void lx_heap_limit(struct lx_heap *heap, size_t max);

/* Calls fn when an allocation is refused because of the limit. It may allocate nothing. */
void lx_heap_on_refusal(struct lx_heap *heap, void (*fn)(void *arg), void *arg);

/* Bytes in use. */
size_t lx_heap_used(const struct lx_heap *heap);

/* As lua_Alloc; `arg` is a struct lx_heap. */
void *lx_heap_alloc(void *arg, void *old, size_t old_size, size_t new_size);

#endif
