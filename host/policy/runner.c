#include "runner.h"

#include "channel.h"
#include "lunexec/buf.h"
#include "lunexec/mem.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LAST_WORDS_MAX 512
#define PROGRAM "lunexec-policy"

struct lx_runner {
    struct lx_runner_opts opts;
    struct lx_child *child;
    struct lx_channel *channel;
    struct lx_buf last_words; /* what the child wrote to its standard error */
    bool killed;
    struct lx_err why; /* of the kill */
};

/* The child's program beside our own. */
static char *default_exe(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');
    return slash ? lx_strf("%.*s/" PROGRAM, (int)(slash - path), path) : lx_strdup(PROGRAM);
}

static void describe_death(const struct lx_runner *runner, int64_t status, int signum,
                           struct lx_err *err)
{
    const char *said = lx_buf_str(&runner->last_words), *colon = *said ? ": " : "";
    if (signum)
        lx_fail(err, LX_E_IO, "the policy child was killed by signal %d (%s)%s%s", signum,
                strsignal(signum), colon, said);
    else
        lx_fail(err, LX_E_IO, "the policy child ended with status %" PRId64 "%s%s", status, colon,
                said);
}

static void on_exit_of_child(void *arg, int64_t status, int signum)
{
    struct lx_runner *runner = arg;
    struct lx_err err = runner->why;
    if (!runner->killed)
        describe_death(runner, status, signum, &err);
    runner->opts.on_gone(runner->opts.arg, runner->killed, &err);
}

/* Its standard error: kept for the message about its end, never passed on as it is. */
static void on_words(void *arg, const char *data, size_t len)
{
    struct lx_runner *runner = arg;
    size_t room = runner->last_words.max - runner->last_words.len;
    lx_buf_add(&runner->last_words, data, len < room ? len : room, NULL);
}

static void on_frame(void *arg, const char *data, size_t len)
{
    struct lx_runner *runner = arg;
    if (!runner->killed)
        runner->opts.on_frame(runner->opts.arg, data, len);
}

/* A closed socket is the child's death, whose status says more. Anything else is our decision. */
static void on_end(void *arg, const struct lx_err *err)
{
    struct lx_runner *runner = arg;
    if (err->code == LX_E_LIMIT)
        lx_runner_kill(runner, err);
    else
        lx_child_kill(runner->child, SIGKILL);
}

static int spawn(struct lx_loop *loop, struct lx_runner *runner, int fd, struct lx_err *err)
{
    lx_auto(str) char *exe = runner->opts.exe ? lx_strdup(runner->opts.exe) : default_exe();
    const struct lx_child_opts child = {
        .argv = (const char *const[]){PROGRAM, "policy-child", NULL},
        .file = exe,
        .env = (const char *const[]){NULL}, /* ours holds secrets */
        .cwd = "/",
        .fd3 = fd,
        .on_err = on_words,
        .on_exit = on_exit_of_child,
        .arg = runner,
    };
    if (lx_child_spawn(loop, &child, &runner->child, err))
        return lx_wrap(err, "cannot start the policy child %s", exe);
    return 0;
}

int lx_runner_start(struct lx_loop *loop, const struct lx_runner_opts *opts,
                    struct lx_runner **ret_runner, struct lx_err *err)
{
    struct lx_runner *runner = lx_alloc(sizeof *runner);
    const struct lx_channel_opts channel = {.on_frame = on_frame, .on_end = on_end, .arg = runner};
    int fd = -1;
    runner->opts = *opts;
    lx_buf_init(&runner->last_words, LAST_WORDS_MAX);
    int rc = lx_channel_new(loop, &channel, &fd, &runner->channel, err);
    if (rc == 0) {
        rc = spawn(loop, runner, fd, err);
        close(fd);
    }
    if (rc) {
        lx_runner_free(runner);
        return -1;
    }
    *ret_runner = runner;
    return 0;
}

void lx_runner_free(struct lx_runner *runner)
{
    if (!runner)
        return;
    lx_child_free(runner->child);
    lx_channel_free(runner->channel);
    lx_buf_done(&runner->last_words);
    free(runner);
}

int lx_runner_send(struct lx_runner *runner, const char *data, size_t len, struct lx_err *err)
{
    return lx_channel_send(runner->channel, data, len, err);
}

bool lx_runner_pump(struct lx_runner *runner)
{
    return lx_channel_pump(runner->channel);
}

void lx_runner_kill(struct lx_runner *runner, const struct lx_err *why)
{
    if (!runner->killed) {
        runner->killed = true;
        runner->why = *why;
    }
    lx_child_kill(runner->child, SIGKILL);
}

pid_t lx_runner_pid(const struct lx_runner *runner)
{
    return lx_child_pid(runner->child);
}
