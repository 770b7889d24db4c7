/*
 * Text that is sent without being held whole: what a log sink hands to a log-entry call.
 */
#ifndef LUNEXEC_OUTSOURCE_H
#define LUNEXEC_OUTSOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An entry's output as it stands inside a JSON string (escaped, without quotes), read in pieces so
 * that it can come from a spool file. The struct is a value; `arg` is borrowed. */
struct lx_out_source {
    uint64_t len; /* escaped bytes in all */
    /* Up to `size` bytes from `offset` on; fewer only at the end of the source; -1 on failure. Any
     * offset may be read any number of times. */
    ssize_t (*read)(void *arg, uint64_t offset, char *out, size_t size);
    void *arg;
};

#endif
