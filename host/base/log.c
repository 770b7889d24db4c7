#include "lunexec/log.h"

#include "base/log_line.h"
#include "lunexec/clock.h"
#include "lunexec/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct lx_log {
    int fd;
    int own; /* the same pipe or terminal, opened again as non-blocking; -1 if that was refused */
    bool socket;
    enum lx_level level;
    enum lx_log_format format;
    uint64_t dropped;
    struct lx_buf line;
};

/*
 * O_NONBLOCK belongs to the open file, which others share (a terminal: the shell). A second opening
 * through /proc is ours alone. Where that is refused, poll tells whether a line fits.
 */
static int reopen(int fd)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

struct lx_log *lx_log_new(int fd, enum lx_level level, enum lx_log_format format)
{
    struct lx_log *log = lx_alloc(sizeof(*log));
    struct stat st;
    *log = (struct lx_log){.fd = fd, .own = -1, .level = level, .format = format};
    lx_buf_init(&log->line, LX_LOG_LINE_MAX);
    if (fstat(fd, &st) == 0) {
        log->socket = S_ISSOCK(st.st_mode);
        if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
            log->own = reopen(fd);
    }
    return log;
}

void lx_log_free(struct lx_log *log)
{
    if (!log)
        return;
    if (log->own >= 0)
        close(log->own);
    lx_buf_done(&log->line);
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
    for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
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
    for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_format = (enum lx_log_format)i;
            return 0;
        }
    }
    return -1;
}

static ssize_t put(const struct lx_log *log)
{
    const struct lx_buf *line = &log->line;
    if (log->socket)
        return send(log->fd, line->data, line->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (log->own >= 0)
        return write(log->own, line->data, line->len);
    struct pollfd poll_fd = {.fd = log->fd, .events = POLLOUT};
    if (poll(&poll_fd, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(log->fd, line->data, line->len);
}

void lx_log_emit(struct lx_log *log, enum lx_level level, const char *msg,
                 const struct lx_field *fields)
{
    if (!log || level < log->level)
        return;
    lx_log_line(&log->line, log->format, lx_wall(), level, msg, fields);
    ssize_t done;
    do
        done = put(log);
    while (done < 0 && errno == EINTR);
    if (done != (ssize_t)log->line.len)
        log->dropped++;
}

uint64_t lx_log_dropped(const struct lx_log *log)
{
    return log ? log->dropped : 0;
}
