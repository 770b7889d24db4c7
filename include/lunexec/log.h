/*
 * The program's own log: one line an event, on one file descriptor, levelled, with typed fields.
 * Formats are the original's SRC_LOG_FORMAT names: "logfmt", "condensed", "json".
 *   logfmt     t=2020-04-20T15:29:17.123Z lvl=info msg="job dequeued" queue=batches id=42
 *   condensed  2020-04-20T15:29:17.123Z INFO  job dequeued {"queue":"batches","id":42}
 *   json       {"time":"...","level":"info","message":"job dequeued","queue":"batches","id":42}
 * A line has at most 4096 bytes (long values are cut, then left out) and is written with one
 * write(2); when the descriptor would block or fails the line is dropped and counted. SIGPIPE is
 * the caller's to ignore.
 */
#ifndef LUNEXEC_LOG_H
#define LUNEXEC_LOG_H

#include "lunexec/err.h"

#include <stdint.h>

enum lx_level { LX_LOG_DEBUG, LX_LOG_INFO, LX_LOG_WARN, LX_LOG_ERROR };
enum lx_log_format { LX_LOGFMT, LX_LOG_CONDENSED, LX_LOG_JSON };

/* Made by the macros below; strings are borrowed during lx_log. */
struct lx_field {
    const char *key; /* NULL ends a list */
    enum { LX_FIELD_STR, LX_FIELD_INT } kind;
    const char *str;
    int64_t num;
};

#define LX_STR(k, v)                                                                               \
    {.key = (k), .kind = LX_FIELD_STR, .str = (v)} /* NULL value: field left out                   \
                                                    */
#define LX_INT(k, v) {.key = (k), .kind = LX_FIELD_INT, .num = (int64_t)(v)}
#define LX_ERR(e) LX_STR("error", (e)->text)

struct lx_log;

/* A log of what is at least as severe as `level`. `fd` is borrowed and must stay open. */
struct lx_log *lx_log_new(int fd, enum lx_level level, enum lx_log_format format);
void lx_log_free(struct lx_log *log);

/* dbug|debug, info, warn, error|eror|crit; 0, or -1 (also for NULL) with the result untouched. */
int lx_level_parse(const char *text, enum lx_level *ret_level);
/* logfmt, condensed, json; 0, or -1 (also for NULL) with the result untouched. */
int lx_log_format_parse(const char *text, enum lx_log_format *ret_format);

/* lx_log(log, LX_LOG_INFO, "job dequeued", LX_STR("queue", q), LX_INT("id", 42)); a NULL log is
 * silent. */
#define lx_log(log, level, msg, ...)                                                               \
    lx_log_emit(log, level, msg, (const struct lx_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = 0}})
/* What lx_log expands to; `fields` ends with a NULL key. Keeps nothing; a line that cannot be
 * written now is dropped and counted. */
void lx_log_emit(struct lx_log *log, enum lx_level level, const char *msg,
                 const struct lx_field *fields);

/* How many lines could not be written whole; 0 for a NULL log. */
uint64_t lx_log_dropped(const struct lx_log *log);

#endif
