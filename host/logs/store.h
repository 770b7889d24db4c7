/*
 * What a sink keeps: everything up to a limit; beyond it the first half, and of the rest the
 * newest, between a quarter and a half of the limit, with a line in between that says what is
 * missing.
 */
#ifndef LX_LOGS_STORE_H
#define LX_LOGS_STORE_H

#include "lunexec/err.h"
#include "lunexec/outsource.h"
#include "lunexec/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lx_store;

#define LX_STORE_LIMIT_MIN 1024u
/* An empty store. `limit` 0: none; a smaller one counts as LX_STORE_LIMIT_MIN. `dir` is copied;
 * `budget` as in lx_spool_new. */
struct lx_store *lx_store_new(const char *dir, size_t memory_max, uint64_t limit,
                              struct lx_spool_budget *budget);
void lx_store_free(struct lx_store *store);

/* A piece of text as it is kept (escaped, cut between characters), never split. */
struct lx_piece {
    const char *data;
    size_t len;
    size_t bytes; /* what it was before prefix and escaping */
    size_t lines; /* line ends in it */
    bool starts_line, ends_line;
};

/* The largest piece that keeps the limit. */
size_t lx_store_piece_max(const struct lx_store *store);

/* Appends all or nothing: LX_E_IO as lx_spool_append. */
int lx_store_append(struct lx_store *store, const struct lx_piece *piece, struct lx_err *err);

/* A line of its own at the end of the view, for when nothing more can be appended: `text` is as it
 * is to stand in a JSON string. Needs no file. */
void lx_store_end(struct lx_store *store, const char *text);

/* The length of the view that lx_store_view would give. */
uint64_t lx_store_size(const struct lx_store *store);
/* What is kept now, readable until the next call of lx_store_view. */
struct lx_out_source lx_store_view(struct lx_store *store);
/* Appends the same to `out`; a view stays what it is. LX_E_LIMIT, LX_E_IO. */
int lx_store_copy(const struct lx_store *store, struct lx_buf *out, struct lx_err *err);

#endif
