/*
 * Bytes that are appended and read back: in memory up to a size, or until all that share a budget
 * take too much of it together; beyond it in a file that has no name.
 */
#ifndef LX_LOGS_SPOOL_H
#define LX_LOGS_SPOOL_H

#include "lunexec/err.h"
#include "lunexec/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct lx_spool;

/* `dir` is where the file would be; copied. What it holds counts against `budget` (borrowed; NULL:
 * no limit) until the spool is freed. */
struct lx_spool *lx_spool_new(const char *dir, size_t memory_max, struct lx_spool_budget *budget);
void lx_spool_free(struct lx_spool *spool);

/* Appends all or nothing. LX_E_IO when the file cannot be made or written (disk full), LX_E_LIMIT
 * when the budget is used up; what was appended before stays readable. */
int lx_spool_append(struct lx_spool *spool, const char *data, size_t len, struct lx_err *err);

/* How many bytes were appended. */
uint64_t lx_spool_len(const struct lx_spool *spool);
/* Whether it has a file. */
bool lx_spool_in_file(const struct lx_spool *spool);

/* Up to `size` bytes from `offset`, fewer for reasons of its own, 0 only at the end; -1 when the
 * file cannot be read. */
ssize_t lx_spool_read(const struct lx_spool *spool, uint64_t offset, char *out, size_t size);

#endif
