/*
 * Container logs: one line of a stream is one line "<RFC 3339 nano> <text>" in a file, as the
 * kubelet keeps and serves them.
 */
#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/lines.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define CHUNK ((size_t)64 << 10)
#define BEHIND ((size_t)1 << 20) /* bytes that may wait on a slow reader's connection */
#define PUMP_MS 5

struct lx_ctr_log {
    struct lx_cluster *c;
    int fd;
    uint64_t size;
    struct lx_lines lines[2];
    struct timespec last;
    bool closed;
    struct lx_list readers;
};

struct reader {
    struct lx_list link;
    struct lx_ctr_log *log;
    struct lx_httpd_req *req;
    struct lx_timer *pump, *cut;
    struct lx_lines lines; /* file chunks to lines */
    uint64_t offset, sent;
    struct timespec since;
    bool follow, timestamps, ended;
};

static void pump(void *arg);

/* ---- writing ---- */

static bool before(struct timespec a, struct timespec b)
{
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

static int store_line(void *arg, const char *line, size_t len)
{
    struct lx_ctr_log *log = arg;
    struct lx_buf out __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT(LINE_MAX_BYTES + 64);
    char stamp[LX_RFC3339_SIZE];
    struct timespec now = lx_wall();
    if (!before(log->last,
                now)) { /* one stamp a line, as a runtime that reads the clock for each */
        now = log->last;
        now.tv_nsec++;
        if (now.tv_nsec == 1000000000)
            now = (struct timespec){now.tv_sec + 1, 0};
    }
    log->last = now;
    lx_rfc3339(now, stamp);
    if (lx_buf_adds(&out, stamp, NULL) || lx_buf_addc(&out, ' ', NULL) ||
        lx_buf_add(&out, line, len, NULL) || lx_buf_addc(&out, '\n', NULL))
        return 0;
    size_t done = 0;
    while (done < out.len) {
        ssize_t n = pwrite(log->fd, out.data + done, out.len - done, (off_t)(log->size + done));
        if (n <= 0)
            return 0;
        done += (size_t)n;
    }
    log->size += out.len;
    return 0;
}

static void wake(struct lx_ctr_log *log)
{
    lx_list_each (it, &log->readers) {
        struct reader *reader = lx_container_of(it, struct reader, link);
        if (!lx_timer_active(reader->pump))
            lx_timer_start(reader->pump, 0, 0);
    }
}

void lx_ctr_log_write(struct lx_ctr_log *log, int stream, const char *data, size_t len)
{
    (void)lx_lines_feed(&log->lines[stream], data, len, NULL);
    wake(log);
}

void lx_ctr_log_close(struct lx_ctr_log *log)
{
    (void)lx_lines_end(&log->lines[0], NULL);
    (void)lx_lines_end(&log->lines[1], NULL);
    log->closed = true;
    wake(log);
}

int lx_ctr_log_new(struct lx_cluster *c, const char *path, struct lx_ctr_log **ret_log,
                   struct lx_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return lx_fail_errno(err, errno, "cannot make the log %s", path);
    struct lx_ctr_log *log = lx_alloc(sizeof *log);
    log->c = c;
    log->fd = fd;
    lx_lines_init(&log->lines[0], LINE_MAX_BYTES, store_line, log);
    lx_lines_init(&log->lines[1], LINE_MAX_BYTES, store_line, log);
    lx_list_init(&log->readers);
    *ret_log = log;
    return 0;
}

/* ---- reading ---- */

static void reader_free(struct reader *reader)
{
    lx_list_remove(&reader->link);
    lx_timer_free(reader->pump);
    lx_timer_free(reader->cut);
    lx_lines_done(&reader->lines);
    free(reader);
}

static void end_reader(void *arg)
{
    struct reader *reader = arg;
    lx_httpd_stream_end(reader->req);
    reader_free(reader);
}

static void on_close(void *arg)
{
    reader_free(arg);
}

void lx_ctr_log_free(struct lx_ctr_log *log)
{
    if (!log)
        return;
    lx_list_each (it, &log->readers)
        end_reader(lx_container_of(it, struct reader, link));
    lx_lines_done(&log->lines[0]);
    lx_lines_done(&log->lines[1]);
    close(log->fd);
    free(log);
}

static void send_bytes(struct reader *reader, const char *data, size_t len)
{
    uint64_t most = reader->log->c->knobs.log_cut_bytes;
    if (reader->ended)
        return;
    if (most && reader->sent + len >= most) {
        len = (size_t)(most - reader->sent);
        reader->ended = true;
    }
    reader->sent += len;
    if (lx_httpd_stream_write(reader->req, data, len, NULL))
        reader->ended = true;
}

static int send_line(void *arg, const char *line, size_t len)
{
    struct reader *reader = arg;
    const char *space = memchr(line, ' ', len);
    struct timespec when;
    if (!space || lx_rfc3339_parse(line, (size_t)(space - line), &when) ||
        before(when, reader->since))
        return 0;
    size_t skip = reader->timestamps ? 0 : (size_t)(space - line) + 1;
    send_bytes(reader, line + skip, len - skip);
    send_bytes(reader, "\n", 1);
    return reader->ended ? 1 : 0;
}

/* Sends what the file has, as far as the connection takes it. */
static void pump(void *arg)
{
    struct reader *reader = arg;
    const struct lx_ctr_log *log = reader->log;
    char chunk[CHUNK];
    while (!reader->ended && reader->offset < log->size &&
           lx_httpd_stream_pending(reader->req) < BEHIND) {
        ssize_t n = pread(log->fd, chunk, sizeof chunk, (off_t)reader->offset);
        if (n <= 0)
            break;
        reader->offset += (uint64_t)n;
        (void)lx_lines_feed(&reader->lines, chunk, (size_t)n, NULL);
    }
    bool all = reader->offset >= log->size;
    if (reader->ended || (all && (log->closed || !reader->follow)))
        end_reader(reader);
    else if (!all)
        lx_timer_start(reader->pump, PUMP_MS, 0);
}

/* sinceTime travels through the API server in whole seconds. */
static int read_options(struct reader *reader, struct lx_err *err)
{
    const char *since = lx_httpd_query(reader->req, "sinceTime");
    reader->follow = lx_streq(lx_httpd_query(reader->req, "follow"), "true");
    reader->timestamps = lx_streq(lx_httpd_query(reader->req, "timestamps"), "true");
    if (since && lx_rfc3339_parse(since, strlen(since), &reader->since))
        return lx_fail(err, LX_E_INVALID, "sinceTime: \"%s\" is no RFC 3339 time", since);
    reader->since.tv_nsec = 0;
    return 0;
}

void lx_ctr_log_serve(struct lx_ctr_log *log, struct lx_httpd_req *req)
{
    static const char *const head[] = {"Content-Type: text/plain", NULL};
    struct lx_err err = {0};
    struct reader *reader = lx_alloc(sizeof *reader);
    reader->log = log;
    reader->req = req;
    lx_list_init(&reader->link);
    lx_lines_init(&reader->lines, LINE_MAX_BYTES + 64, send_line, reader);
    if (read_options(reader, &err)) {
        reader_free(reader);
        lx_status_reply(log->c, req, 400, "BadRequest", err.text, LX_KIND_POD, NULL);
        return;
    }
    reader->pump = lx_timer_new(log->c->loop, pump, reader);
    lx_list_push(&log->readers, &reader->link);
    lx_serve_note(log->c->serve, req, 200);
    lx_httpd_stream_begin(req, 200, head, on_close, reader);
    if (log->c->knobs.log_cut_ms) {
        reader->cut = lx_timer_new(log->c->loop, end_reader, reader);
        lx_timer_start(reader->cut, log->c->knobs.log_cut_ms, 0);
    }
    lx_timer_start(reader->pump, 0, 0);
}
