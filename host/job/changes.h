/*
 * How two values differ, for a line of a log.
 */
#ifndef LX_JOB_CHANGES_H
#define LX_JOB_CHANGES_H

#include "lunexec/buf.h"
#include "lunexec/json.h"

/* Appends "path: old -> new; path: added value; path: removed", the differences of `to` against
 * `from`, at most `max` of them and then how many more there are; values are cut. Items of lists
 * are told apart by their "name" if all have one. Returns how many differences there are; what does
 * not fit into `out` is left out. */
size_t lx_changes(const json_t *from, const json_t *to, size_t max, struct lx_buf *out);

#endif
