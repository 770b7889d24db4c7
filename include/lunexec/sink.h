/*
 * The log sink of one entry: container bytes in; masked, prefixed "stdout: " a line (contract 7.3,
 * 9.3), kept once as the inside of a JSON string; spooled to an unlinked file beyond 1 MiB.
 * Secrets are found in the bytes as the container wrote them, across lines and chunks.
 */
#ifndef LUNEXEC_SINK_H
#define LUNEXEC_SINK_H

#include "lunexec/mask.h"
#include "lunexec/outsource.h"

#include <stdbool.h>
#include <stdint.h>

struct lx_sink;

/* What all sinks that share it may hold together. */
struct lx_spool_budget {
    uint64_t limit; /* bytes in files; 0: no limit */
    uint64_t used;
    size_t memory_limit; /* bytes in memory, beyond which growing outputs move to files even when
                            they are smaller than their `memory_max`; 0: no limit */
    size_t memory_used;
};

struct lx_sink_opts {
    const struct lx_mask *mask;     /* borrowed; NULL masks nothing */
    const char *spool_dir;          /* for the file beyond `memory_max`; NULL: "/tmp" */
    size_t memory_max;              /* beyond it the output moves to a file; 0: 1 MiB */
    struct lx_spool_budget *budget; /* borrowed, outlives the sink; NULL: no limit */
    bool keep_tokens;               /* programs read it: tokens (lunexec/tokens.h) are not masked */
    uint64_t limit; /* escaped bytes of output kept, at least 1 KiB; 0: no limit. Beyond
                       it the first half is kept and of the rest the newest, a quarter
                       to a half of the limit; a line between them says what is missing */
};

/* An empty sink, the caller's to free. spool_dir is copied and not looked at before it is needed.
 * Always 0. */
int lx_sink_new(const struct lx_sink_opts *opts, struct lx_sink **ret_sink, struct lx_err *err);
/* Gives back what it counts in the budget, and its file. NULL is accepted. */
void lx_sink_free(struct lx_sink *sink);

/* Container output; any chunking. A CR before LF is dropped, a last line without LF gets one at
 * lx_sink_close, invalid UTF-8 becomes U+FFFD. A failure (LX_E_IO: disk full, LX_E_LIMIT for a
 * budget used up) is remembered and returned by each later call; what was written before stays
 * readable, and a last line says that the rest is missing and why. LX_E_INVALID after
 * lx_sink_close. */
int lx_sink_write(struct lx_sink *sink, const char *data, size_t len, struct lx_err *err);

/* A line of the executor's own ("stdout: " prefix too, masked), after completing an open line.
 * Fails as lx_sink_write. */
int lx_sink_line(struct lx_sink *sink, const char *text, struct lx_err *err);
/* A line of the executor's own would split no line, and no secret, of the output. */
bool lx_sink_between_lines(const struct lx_sink *sink);
/* Text without a prefix, as teardown entries have it (contract 7.5), after completing an open line;
 * masked. Fails as lx_sink_write. */
int lx_sink_raw(struct lx_sink *sink, const char *text, struct lx_err *err);

/* No more output: flushes what masking held back, completes the last line. Fails as lx_sink_write;
 * again it does nothing. */
int lx_sink_close(struct lx_sink *sink, struct lx_err *err);

/* The escaped bytes that lx_sink_source would give now. It grows until the limit is reached; then
 * it varies, as older output is dropped. */
uint64_t lx_sink_size(const struct lx_sink *sink);
/* What is kept now, for lx_queue_update_entry: what is written later is not part of it, and what is
 * dropped later stays in it. Borrowed: valid until the next call of lx_sink_source or lx_sink_free.
 */
struct lx_out_source lx_sink_source(struct lx_sink *sink);
/* Appends what is kept now to `out`; a source stays what it is. LX_E_LIMIT when `out` cannot hold
 * it, LX_E_IO. */
int lx_sink_copy(const struct lx_sink *sink, struct lx_buf *out, struct lx_err *err);

#endif
