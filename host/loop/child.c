#include "lunexec/loop.h"

#include "loop/priv.h"
#include "lunexec/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A grandchild may keep the output pipes open after its parent's end. */
#define PIPE_GRACE_MS 2000

struct lx_child {
    struct lx_loop *loop;
    uv_process_t process;
    uv_pipe_t in, out, err;
    uv_write_t write;
    char *input;
    struct lx_timer *grace;
    struct lx_task exit_task;
    void (*on_out)(void *arg, const char *data, size_t len);
    void (*on_err)(void *arg, const char *data, size_t len);
    void (*on_exit)(void *arg, int64_t status, int signal);
    void *arg;
    pid_t pid;
    bool new_group, exited, freed;
    bool in_open, out_open, err_open; /* handles not closed yet */
    int n_handles;                    /* whose close callback is still to come */
    int64_t status;
    int signal;
    char chunk[16384];
};

static void release(struct lx_child *child)
{
    if (!child->freed || child->n_handles > 0)
        return;
    free(child->input);
    free(child);
}

static void handle_closed(uv_handle_t *handle)
{
    struct lx_child *child = handle->data;
    child->n_handles--;
    release(child);
}

static void close_pipe(uv_pipe_t *pipe, bool *open)
{
    if (!*open)
        return;
    *open = false;
    uv_close((uv_handle_t *)pipe, handle_closed);
}

static void check_done(struct lx_child *child)
{
    if (child->exited && !child->out_open && !child->err_open && !child->freed) {
        lx_timer_stop(child->grace);
        lx_task_post(child->loop, &child->exit_task);
    }
}

static void on_done(void *arg)
{
    struct lx_child *child = arg;
    if (child->on_exit)
        child->on_exit(child->arg, child->status, child->signal);
}

static void on_grace(void *arg)
{
    struct lx_child *child = arg;
    close_pipe(&child->out, &child->out_open);
    close_pipe(&child->err, &child->err_open);
    check_done(child);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct lx_child *child = process->data;
    child->exited = true;
    child->status = status;
    child->signal = signal;
    uv_close((uv_handle_t *)process, handle_closed);
    if (child->freed)
        return;
    close_pipe(&child->in, &child->in_open);
    lx_timer_start(child->grace, PIPE_GRACE_MS, 0);
    check_done(child);
}

static void provide(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct lx_child *child = handle->data;
    (void)size;
    *buf = uv_buf_init(child->chunk, sizeof child->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct lx_child *child = stream->data;
    bool is_out = stream == (uv_stream_t *)&child->out;
    if (n > 0) {
        (is_out ? child->on_out : child->on_err)(child->arg, buf->base, (size_t)n);
        return;
    }
    if (n < 0) {
        close_pipe(is_out ? &child->out : &child->err,
                   is_out ? &child->out_open : &child->err_open);
        check_done(child);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct lx_child *child = write->data;
    (void)status; /* a child that does not read its input is its own affair */
    if (!child->freed)
        close_pipe(&child->in, &child->in_open);
}

/*
 * A pipe of which `pipe` is our end; the child's end, its descriptor `number`, is returned, or -1
 * with errno. What libuv would make by itself is a socket pair, and programs that open /dev/stdout
 * fail on a socket.
 */
static int open_pipe(struct lx_child *child, uv_pipe_t *pipe, bool *open, int number)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    int ours = number == 0 ? ends[1] : ends[0], theirs = number == 0 ? ends[0] : ends[1];
    uv_pipe_init(&child->loop->uv, pipe, 0);
    pipe->data = child;
    *open = true;
    child->n_handles++;
    int rc = uv_pipe_open(pipe, ours);
    if (rc == 0)
        return theirs;
    close(ours);
    close(theirs);
    errno = -rc;
    return -1;
}

/* The pipes that are asked for; theirs[i] is the child's end, -1 where there is none. */
static int open_pipes(struct lx_child *child, const struct lx_child_opts *opts, int theirs[3])
{
    uv_pipe_t *const pipes[3] = {&child->in, &child->out, &child->err};
    bool *const open[3] = {&child->in_open, &child->out_open, &child->err_open};
    const bool wanted[3] = {opts->in != NULL, opts->on_out != NULL, opts->on_err != NULL};
    for (int i = 0; i < 3; i++) {
        if (wanted[i] && (theirs[i] = open_pipe(child, pipes[i], open[i], i)) < 0)
            return -errno;
    }
    return 0;
}

static int spawn(struct lx_child *child, const struct lx_child_opts *opts, const int theirs[3])
{
    uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE}};
    for (int i = 0; i < 4; i++) {
        int fd = i < 3 ? theirs[i] : opts->fd3 > 0 ? opts->fd3 : -1;
        if ((i == 1 || i == 2) && fd < 0)
            fd = i; /* inherited */
        if (fd >= 0) {
            stdio[i].flags = UV_INHERIT_FD;
            stdio[i].data.fd = fd;
        }
    }
    /* libuv wants char **, but changes neither list nor strings. */
    union {
        const char *const *in;
        char **out;
    } argv = {.in = opts->argv}, env = {.in = opts->env};
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = opts->file ? opts->file : opts->argv[0],
        .args = argv.out,
        .env = env.out,
        .cwd = opts->cwd,
        .flags = opts->new_group ? UV_PROCESS_DETACHED : 0,
        .stdio_count = opts->fd3 > 0 ? 4 : 3,
        .stdio = stdio,
    };
    return uv_spawn(&child->loop->uv, &child->process, &options);
}

/* The pipes and the process; 0 or libuv's error. */
static int start(struct lx_child *child, const struct lx_child_opts *opts)
{
    int theirs[3] = {-1, -1, -1};
    int rc = opts->in_len > UINT_MAX ? UV_E2BIG : open_pipes(child, opts, theirs);
    if (rc == 0) {
        child->process.data = child;
        child->n_handles++;
        rc = spawn(child, opts, theirs);
        if (rc < 0)
            uv_close((uv_handle_t *)&child->process, handle_closed);
    }
    for (int i = 0; i < 3; i++) {
        if (theirs[i] >= 0)
            close(theirs[i]);
    }
    return rc;
}

static void start_streams(struct lx_child *child, const struct lx_child_opts *opts)
{
    if (child->out_open)
        uv_read_start((uv_stream_t *)&child->out, provide, on_read);
    if (child->err_open)
        uv_read_start((uv_stream_t *)&child->err, provide, on_read);
    if (child->in_open) {
        child->input = lx_strndup(opts->in, opts->in_len);
        child->write.data = child;
        uv_buf_t buf = uv_buf_init(child->input, (unsigned)opts->in_len);
        if (uv_write(&child->write, (uv_stream_t *)&child->in, &buf, 1, on_written) < 0)
            close_pipe(&child->in, &child->in_open);
    }
}

int lx_child_spawn(struct lx_loop *loop, const struct lx_child_opts *opts,
                   struct lx_child **ret_child, struct lx_err *err)
{
    struct lx_child *child = lx_alloc(sizeof *child);
    child->loop = loop;
    child->on_out = opts->on_out;
    child->on_err = opts->on_err;
    child->on_exit = opts->on_exit;
    child->arg = opts->arg;
    child->new_group = opts->new_group;
    child->grace = lx_timer_new(loop, on_grace, child);
    lx_task_init(&child->exit_task, on_done, child);
    int rc = start(child, opts);
    if (rc < 0) {
        child->exited = true;
        lx_child_free(child);
        return lx_fail(err, rc == UV_ENOENT ? LX_E_NOT_FOUND : LX_E_IO, "cannot start %s: %s",
                       opts->file ? opts->file : opts->argv[0], uv_strerror(rc));
    }
    child->pid = child->process.pid;
    start_streams(child, opts);
    *ret_child = child;
    return 0;
}

pid_t lx_child_pid(const struct lx_child *child)
{
    return child->pid;
}

void lx_child_kill(struct lx_child *child, int signum)
{
    /* What holds a pipe open after the leader's end belongs to the group still. Later its number
     * may be another's. */
    if (child->new_group && (!child->exited || child->out_open || child->err_open))
        kill(-child->pid, signum);
    else if (!child->exited)
        uv_process_kill(&child->process, signum);
}

void lx_child_free(struct lx_child *child)
{
    if (!child)
        return;
    child->freed = true;
    /* The loop reaps it; the memory is released when its handle is closed. */
    if (child->pid > 0)
        lx_child_kill(child, SIGKILL);
    lx_task_cancel(&child->exit_task);
    lx_timer_free(child->grace);
    close_pipe(&child->in, &child->in_open);
    close_pipe(&child->out, &child->out_open);
    close_pipe(&child->err, &child->err_open);
    release(child);
}
