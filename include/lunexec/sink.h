/*
 * The log sink of one entry: container bytes in; masked, prefixed "stdout: " a line (contract 7.3,
 * 9.3), kept once as the inside of a JSON string; spooled to an unlinked file beyond 1 MiB.
 */
#ifndef LUNEXEC_SINK_H
#define LUNEXEC_SINK_H

#include "lunexec/mask.h"
#include "lunexec/outsource.h"

struct lx_sink;

struct lx_sink_opts {
    const struct lx_mask *mask; /* borrowed; NULL masks nothing */
    const char *spool_dir;      /* for the file beyond `memory_max`; NULL: "/tmp" */
    size_t memory_max;          /* [1 MiB] */
    uint64_t limit;             /* bytes of output kept, escaped [64 MiB]; beyond it the middle is
                                   dropped and a line says how much; 0: no limit */
};

int lx_sink_new(const struct lx_sink_opts *opts, struct lx_sink **ret_sink, struct lx_err *err);
void lx_sink_free(struct lx_sink *sink);

/* Container output; any chunking. A CR before LF is dropped, a last line without LF gets one at
 * lx_sink_close, invalid UTF-8 becomes U+FFFD. A failure (disk full) is remembered and returned
 * by each later call; what was written before stays readable. */
int lx_sink_write(struct lx_sink *sink, const char *data, size_t len, struct lx_err *err);

/* A line of the executor's own ("stdout: " prefix too, masked), after completing an open line. */
int lx_sink_line(struct lx_sink *sink, const char *text, struct lx_err *err);
/* Text without a prefix, as teardown entries have it (contract 7.5); masked. */
int lx_sink_raw(struct lx_sink *sink, const char *text, struct lx_err *err);

/* No more output: flushes what masking held back, completes the last line. */
int lx_sink_close(struct lx_sink *sink, struct lx_err *err);

/* Escaped bytes readable now. Grows only. */
uint64_t lx_sink_size(const struct lx_sink *sink);
/* A view of the first lx_sink_size bytes, for lx_queue_update_entry; valid while the sink lives.
 * A complete view: what is appended later is not part of it. */
struct lx_out_source lx_sink_source(struct lx_sink *sink);

#endif
