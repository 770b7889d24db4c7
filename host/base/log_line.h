/*
 * One log event as a line of text, in each of the formats.
 */
#ifndef LUNEXEC_BASE_LOG_LINE_H
#define LUNEXEC_BASE_LOG_LINE_H

#include "lunexec/buf.h"
#include "lunexec/log.h"

#include <time.h>

/* Up to this size a write to a pipe is whole or not at all (PIPE_BUF). */
#define LX_LOG_LINE_MAX 4096

/* Replaces the contents of `out`, whose maximum is LX_LOG_LINE_MAX, by the line with its newline.
 * Values that do not fit are cut, then left out. Never fails. */
void lx_log_line(struct lx_buf *out, enum lx_log_format format, struct timespec when,
                 enum lx_level level, const char *msg, const struct lx_field *fields);

#endif
