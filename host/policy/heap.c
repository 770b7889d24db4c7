#include "heap.h"

#include "lunexec/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Blocks up to SMALL_MAX bytes come in sizes of GRAIN, cut from chunks that are kept until the
 * heap is freed; a freed block waits in the list of its size. Larger ones are malloc's. */
#define GRAIN ((size_t)16)
#define SMALL_MAX ((size_t)256)
#define N_SIZES (SMALL_MAX / GRAIN)
#define CHUNK_SIZE ((size_t)32 << 10)

struct block {
    struct block *next;
};

struct chunk {
    struct chunk *next;
    _Alignas(16) char data[CHUNK_SIZE];
};

struct lx_heap {
    size_t used, max;
    struct block *free[N_SIZES];
    char *fresh, *fresh_end; /* what is left of the newest chunk */
    struct chunk *chunks;
    void (*on_refusal)(void *arg);
    void *arg;
};

struct lx_heap *lx_heap_new(void)
{
    return lx_alloc(sizeof(struct lx_heap));
}

void lx_heap_free(struct lx_heap *heap)
{
    if (!heap)
        return;
    while (heap->chunks) {
        struct chunk *next = heap->chunks->next;
        free(heap->chunks);
        heap->chunks = next;
    }
    free(heap);
}

void lx_heap_limit(struct lx_heap *heap, size_t max)
{
    heap->max = max;
}

void lx_heap_on_refusal(struct lx_heap *heap, void (*fn)(void *arg), void *arg)
{
    heap->on_refusal = fn;
    heap->arg = arg;
}

size_t lx_heap_used(const struct lx_heap *heap)
{
    return heap->used;
}

static size_t size_class(size_t size)
{
    return (size - 1) / GRAIN;
}

static void *take_small(struct lx_heap *heap, size_t class)
{
    struct block *block = heap->free[class];
    size_t size = (class + 1) * GRAIN;
    if (block) {
        heap->free[class] = block->next;
        __builtin_prefetch(block->next); /* for the next one of this size */
        return block;
    }
    if ((size_t)(heap->fresh_end - heap->fresh) < size) {
        struct chunk *chunk = malloc(sizeof *chunk);
        if (!chunk)
            return NULL;
        chunk->next = heap->chunks;
        heap->chunks = chunk;
        heap->fresh = chunk->data;
        heap->fresh_end = chunk->data + CHUNK_SIZE;
    }
    heap->fresh += size;
    return heap->fresh - size;
}

static void *take(struct lx_heap *heap, size_t size)
{
    return size > SMALL_MAX ? malloc(size) : take_small(heap, size_class(size));
}

static void give(struct lx_heap *heap, void *data, size_t size)
{
    if (size > SMALL_MAX) {
        free(data);
    } else if (data) {
        struct block *block = data;
        size_t class = size_class(size);
        block->next = heap->free[class];
        heap->free[class] = block;
    }
}

static void *resize(struct lx_heap *heap, void *old, size_t old_size, size_t new_size)
{
    if (old && old_size > SMALL_MAX && new_size > SMALL_MAX)
        /* style: allow realloc: lua_Alloc is that very interface */
        return realloc(old, new_size);
    if (old && old_size <= SMALL_MAX && new_size <= SMALL_MAX &&
        size_class(old_size) == size_class(new_size))
        return old;
    void *new = take(heap, new_size);
    if (new && old) {
        memcpy(new, old, old_size < new_size ? old_size : new_size);
        give(heap, old, old_size);
    }
    return new;
}

void *lx_heap_alloc(void *arg, void *old, size_t old_size, size_t new_size)
{
    struct lx_heap *heap = arg;
    if (!old)
        old_size = 0; /* then Lua passes the type of the new object */
    if (new_size == 0) {
        give(heap, old, old_size);
        heap->used -= old_size;
        return NULL;
    }
    bool grows = new_size > old_size;
    if (grows && heap->max && heap->used + (new_size - old_size) > heap->max) {
        if (heap->on_refusal)
            heap->on_refusal(heap->arg);
        return NULL;
    }
    void *new = resize(heap, old, old_size, new_size);
    if (new)
        heap->used = heap->used - old_size + new_size;
    return new;
}
