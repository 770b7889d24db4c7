/*
 * Allocation of small bookkeeping, and ownership idioms.
 *
 * These end the process with one line when memory is out: their sizes are ours, not a peer's.
 * Whatever a peer can make grow goes through struct lx_buf, which has a maximum and returns errors.
 * Everything here is released with free().
 */
#ifndef LUNEXEC_MEM_H
#define LUNEXEC_MEM_H

#include <stddef.h>
#include <stdlib.h>

/* Zeroed memory of `size` bytes; of size 0 it is some pointer to be freed. */
void *lx_alloc(size_t size) __attribute__((returns_nonnull, malloc, warn_unused_result));

/* Zeroed memory of `count` elements of `size` bytes; overflow of the product ends the process. */
void *lx_alloc_array(size_t count, size_t size)
    __attribute__((returns_nonnull, malloc, warn_unused_result));

/* A copy of `text`; NULL gives NULL. */
char *lx_strdup(const char *text) __attribute__((malloc, warn_unused_result));

/* A NUL-terminated copy of `len` bytes. */
char *lx_strndup(const char *text, size_t len) __attribute__((malloc, warn_unused_result));

/* A formatted string. */
char *lx_strf(const char *fmt, ...)
    __attribute__((returns_nonnull, malloc, warn_unused_result, format(printf, 1, 2)));

/* Overwrites a text and frees it: for tokens, passwords, keys. NULL is accepted. */
void lx_secret_free(char *text);

/* free() for libraries through which secrets go: the memory, from malloc, is overwritten first. */
void lx_wiping_free(void *memory);
/* realloc() to the same end: where the block moves, the old one is overwritten. NULL when memory is
 * out, `memory` then as it was. Size 0 gives a block to be freed. */
void *lx_wiping_realloc(void *memory, size_t size);

/* Moves a pointer out of a variable, leaving NULL there. */
#define lx_take(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/*
 * Declares a local that is released at the end of its scope: `lx_auto(str) char *s = ...`.
 * The kind K needs `void lx_auto_K(T **p)`; LX_DEFINE_AUTO makes one from a free function.
 * Never in a frame that a Lua error can cross: longjmp skips it.
 */
#define lx_auto(kind) __attribute__((cleanup(lx_auto_##kind)))
#define LX_DEFINE_AUTO(kind, type, release)                                                        \
    static inline void lx_auto_##kind(type *p)                                                     \
    {                                                                                              \
        if (*p)                                                                                    \
            release(*p);                                                                           \
    }

LX_DEFINE_AUTO(str, char *, free)
LX_DEFINE_AUTO(secret, char *, lx_secret_free)

#endif
