#include "lunexec/log.h"

#include "lunexec/buf.h"
#include "lunexec/clock.h"
#include "lunexec/mem.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 16384

struct lx_log {
    int fd;
    enum lx_level level;
    enum lx_log_format format;
    uint64_t dropped;
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct lx_log *lx_log_new(int fd, enum lx_level level, enum lx_log_format format)
{
    struct lx_log *log = lx_alloc(sizeof *log);
    *log = (struct lx_log){.fd = fd, .level = level, .format = format};
    return log;
}

void lx_log_free(struct lx_log *log)
{
    free(log);
}

int lx_level_parse(const char *text, enum lx_level *ret_level)
{
    static const struct {
        const char *name;
        enum lx_level level;
    } names[] = {
        {"dbug", LX_LOG_DEBUG}, {"debug", LX_LOG_DEBUG}, {"info", LX_LOG_INFO},
        {"warn", LX_LOG_WARN},  {"error", LX_LOG_ERROR}, {"eror", LX_LOG_ERROR},
        {"crit", LX_LOG_ERROR},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ret_level = names[i].level;
            return 0;
        }
    }
    return -1;
}

int lx_log_format_parse(const char *text, enum lx_log_format *ret_format)
{
    static const char *const names[] = {"logfmt", "condensed", "json"};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_format = (enum lx_log_format)i;
            return 0;
        }
    }
    return -1;
}

/* The text in double quotes, escaped as JSON and logfmt both take it. */
static void add_quoted(struct lx_buf *out, const char *text)
{
    lx_buf_addc(out, '"', NULL);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            lx_buf_addf(out, NULL, "\\%c", c);
        else if (c == '\n')
            lx_buf_adds(out, "\\n", NULL);
        else if (c < 0x20)
            lx_buf_addf(out, NULL, "\\u%04x", c);
        else
            lx_buf_addc(out, (char)c, NULL);
    }
    lx_buf_addc(out, '"', NULL);
}

static void add_value(struct lx_buf *out, const char *text)
{
    if (*text && !text[strcspn(text, " \"\\=\n\r\t")])
        lx_buf_adds(out, text, NULL);
    else
        add_quoted(out, text);
}

static void add_fields(struct lx_buf *out, const struct lx_field *fields, enum lx_log_format format)
{
    for (; fields->key; fields++) {
        if (fields->kind == LX_FIELD_STR && !fields->str)
            continue;
        lx_buf_addf(out, NULL, format == LX_LOG_JSON ? ",\"%s\":" : " %s=", fields->key);
        if (fields->kind == LX_FIELD_INT)
            lx_buf_addf(out, NULL, "%" PRId64, fields->num);
        else if (format == LX_LOG_JSON)
            add_quoted(out, fields->str);
        else
            add_value(out, fields->str);
    }
}

void lx_log_emit(struct lx_log *log, enum lx_level level, const char *msg,
                 const struct lx_field *fields)
{
    if (!log || level < log->level)
        return;
    char now[LX_RFC3339_SIZE];
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf line = LX_BUF_INIT(LINE_MAX_BYTES);
    struct timespec wall = lx_wall();
    wall.tv_nsec -= wall.tv_nsec % 1000000;
    lx_rfc3339(wall, now);
    switch (log->format) {
    case LX_LOGFMT:
        lx_buf_addf(&line, NULL, "t=%s lvl=%s msg=", now, level_names[level]);
        add_quoted(&line, msg);
        break;
    case LX_LOG_CONDENSED:
        lx_buf_addf(&line, NULL, "%s %s %s", now, level_names[level], msg);
        break;
    case LX_LOG_JSON:
        lx_buf_addf(&line, NULL, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", now,
                    level_names[level]);
        add_quoted(&line, msg);
        break;
    }
    add_fields(&line, fields, log->format);
    lx_buf_adds(&line, log->format == LX_LOG_JSON ? "}\n" : "\n", NULL);
    if (write(log->fd, lx_buf_str(&line), line.len) != (ssize_t)line.len)
        log->dropped++;
}

uint64_t lx_log_dropped(const struct lx_log *log)
{
    return log->dropped;
}
