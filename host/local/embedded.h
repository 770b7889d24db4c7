/*
 * Files that travel inside the binary: the batcheshelper stand-in and the bundled example.
 */
#ifndef LUNEXEC_LOCAL_EMBEDDED_H
#define LUNEXEC_LOCAL_EMBEDDED_H

#include <stddef.h>

struct lx_embedded {
    const char *name;
    const unsigned char *data;
    size_t len;
};

/* Ends with a NULL name. */
extern const struct lx_embedded lx_embedded_files[];

#endif
