#include "app/state.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_FILE "executor-name"
#define NAME_MAX_LEN 1024u
#define LOCK_PAUSE_MS 100
#define LOOK_PAUSE_MS 500
/* A process that was just given the directory does not hand it back at once: one that handed over
 * and was started again by its supervisor must not take it from its successor. */
#define HOLD_MS 5000

struct lx_state {
    struct lx_state_opts opts;
    char *lock_path, *ask_path, *name_path, *journal_path;
    int lock_fd;
    int ask_fd;   /* locked while this process waits: a wish is nobody's once that is gone */
    bool waiting; /* said that another process has the directory */
    bool told;    /* that another process asks for it */
    uint64_t since_ms;
    struct lx_timer *timer;
    char *name;
    struct lx_journal *journal;
};

/* ---- The name ---- */

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

static int write_name(const struct lx_state *state, struct lx_err *err)
{
    lx_auto(str) char *path = lx_strf("%s.new", state->name_path);
    const char *name = state->opts.new_name;
    if (lx_file_write(path, name, strlen(name), 0600, err) < 0)
        return -1;
    if (sync_path(path, O_RDONLY) < 0 || rename(path, state->name_path) < 0 ||
        sync_path(state->opts.dir, O_RDONLY | O_DIRECTORY) < 0)
        return lx_fail_errno(err, errno, "writing %s", state->name_path);
    return 0;
}

static bool is_name(const char *text)
{
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f)
            return false;
    }
    return *text;
}

static int load_name(const char *path, char **ret_name, struct lx_err *err)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(NAME_MAX_LEN);
    if (lx_file_read(path, &text, err) < 0)
        return -1;
    if (!is_name(lx_buf_str(&text)))
        return lx_fail(err, LX_E_INVALID, "%s holds no executor name", path);
    *ret_name = lx_buf_take(&text);
    return 0;
}

static int read_name(struct lx_state *state, struct lx_err *err)
{
    if (load_name(state->name_path, &state->name, err) == 0)
        return 0;
    if (err->code != LX_E_NOT_FOUND || write_name(state, err) < 0)
        return -1;
    state->name = lx_strdup(state->opts.new_name);
    return 0;
}

char *lx_state_peek_name(const char *dir)
{
    lx_auto(str) char *path = lx_path_join(dir, NAME_FILE);
    struct lx_err err;
    char *name = NULL;
    (void)load_name(path, &name, &err);
    return name;
}

/* ---- The lock ---- */

/* Whether another process waits for the directory. The wish of one that has ended is removed. */
static bool is_wanted(const struct lx_state *state)
{
    int fd = open(state->ask_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool wanted = flock(fd, LOCK_EX | LOCK_NB) < 0;
    if (!wanted)
        (void)unlink(state->ask_path);
    close(fd);
    return wanted;
}

static void look(void *arg)
{
    struct lx_state *state = arg;
    if (state->told || !is_wanted(state) || lx_now_ms() - state->since_ms < HOLD_MS)
        return;
    state->told = true;
    lx_timer_stop(state->timer);
    state->opts.asked(state->opts.arg);
}

static int open_files(struct lx_state *state, struct lx_err *err)
{
    struct lx_journal_report report;
    if (read_name(state, err) < 0 ||
        lx_journal_open(state->journal_path, &state->journal, &report, err) < 0)
        return -1;
    if (report.torn > 0)
        lx_log(state->opts.log, LX_LOG_INFO, "the journal ended in a write that was cut",
               LX_INT("bytes", report.torn));
    if (report.damaged > 0)
        lx_log(state->opts.log, LX_LOG_WARN, "the journal has damaged records, which are left out",
               LX_INT("records", report.damaged));
    return 0;
}

static void stop_asking(struct lx_state *state)
{
    if (state->ask_fd >= 0)
        close(state->ask_fd);
    state->ask_fd = -1;
}

static void ours(struct lx_state *state)
{
    struct lx_err err;
    (void)unlink(state->ask_path);
    stop_asking(state);
    state->since_ms = lx_now_ms();
    if (open_files(state, &err) < 0) {
        lx_timer_stop(state->timer);
        state->opts.ready(state->opts.arg, &err);
        return;
    }
    lx_timer_free(state->timer);
    state->timer = lx_timer_new(state->opts.loop, look, state);
    lx_timer_start(state->timer, LOOK_PAUSE_MS, LOOK_PAUSE_MS);
    state->opts.ready(state->opts.arg, NULL);
}

/* Each time anew: whoever had the directory may have left the wish unheard, and removed it. */
static void ask(struct lx_state *state)
{
    int fd = open(state->ask_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        (void)flock(fd, LOCK_SH | LOCK_NB);
        stop_asking(state);
        state->ask_fd = fd;
    }
    if (!state->waiting)
        lx_log(state->opts.log, LX_LOG_WARN,
               "another process has the state directory; it is asked to hand over",
               LX_STR("LUNEXEC_STATE_DIR", state->opts.dir));
    state->waiting = true;
}

static int open_lock(struct lx_state *state, struct lx_err *err)
{
    if (lx_mkdirs(state->opts.dir, 0700, err) < 0)
        return -1;
    state->lock_fd = open(state->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (state->lock_fd < 0)
        return lx_fail_errno(err, errno, "opening %s", state->lock_path);
    return 0;
}

static void try_lock(void *arg)
{
    struct lx_state *state = arg;
    struct lx_err err;
    if (state->lock_fd < 0 && open_lock(state, &err) < 0) {
        state->opts.ready(state->opts.arg, &err);
        return;
    }
    if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        ours(state);
    } else if (errno == EWOULDBLOCK || errno == EINTR) {
        ask(state);
        lx_timer_start(state->timer, LOCK_PAUSE_MS, 0);
    } else {
        lx_fail_errno(&err, errno, "locking %s", state->lock_path);
        state->opts.ready(state->opts.arg, &err);
    }
}

struct lx_state *lx_state_new(const struct lx_state_opts *opts)
{
    struct lx_state *state = lx_alloc(sizeof *state);
    state->opts = *opts;
    state->lock_fd = -1;
    state->ask_fd = -1;
    state->lock_path = lx_path_join(opts->dir, "lock");
    state->ask_path = lx_path_join(opts->dir, "handover");
    state->name_path = lx_path_join(opts->dir, NAME_FILE);
    state->journal_path = lx_path_join(opts->dir, "journal");
    state->timer = lx_timer_new(opts->loop, try_lock, state);
    lx_timer_start(state->timer, 0, 0);
    return state;
}

void lx_state_free(struct lx_state *state)
{
    if (!state)
        return;
    lx_timer_free(state->timer);
    lx_journal_close(state->journal);
    stop_asking(state);
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    free(state->lock_path);
    free(state->ask_path);
    free(state->name_path);
    free(state->journal_path);
    free(state->name);
    free(state);
}

const char *lx_state_name(const struct lx_state *state)
{
    return state->name;
}

struct lx_journal *lx_state_journal(const struct lx_state *state)
{
    return state->journal;
}
