#include "lunexec/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
    dprintf(2, "lunexec: out of memory\n");
    abort();
}

void *lx_alloc(size_t size)
{
    return lx_alloc_array(1, size);
}

void *lx_alloc_array(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

char *lx_strdup(const char *text)
{
    return text ? lx_strndup(text, strlen(text)) : NULL;
}

char *lx_strndup(const char *text, size_t len)
{
    char *copy = lx_alloc(len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *lx_strf(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0 || !text)
        out_of_memory();
    return text;
}
