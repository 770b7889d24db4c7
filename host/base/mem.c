#include "lunexec/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size)
{
    dprintf(2, "lunexec: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *lx_alloc(size_t size)
{
    return lx_alloc_array(1, size);
}

void *lx_alloc_array(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    void *p = calloc(1, total ? total : 1);
    if (!p)
        out_of_memory(total);
    return p;
}

char *lx_strdup(const char *text)
{
    return text ? lx_strndup(text, strlen(text)) : NULL;
}

char *lx_strndup(const char *text, size_t len)
{
    if (len == SIZE_MAX)
        out_of_memory(len);
    char *copy = lx_alloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    return copy;
}

void lx_secret_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void lx_wiping_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void *lx_wiping_realloc(void *memory, size_t size)
{
    size_t before = memory ? malloc_usable_size(memory) : 0;
    if (size <= before && size > before / 2)
        return memory;
    void *other = malloc(size > 0 ? size : 1);
    if (!other)
        return NULL;
    if (before > 0)
        memcpy(other, memory, size < before ? size : before);
    lx_wiping_free(memory);
    return other;
}

char *lx_strf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0 || !text)
        out_of_memory(0);
    return text;
}
