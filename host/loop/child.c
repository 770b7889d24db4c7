#include "lunexec/loop.h"

#include "loop/priv.h"
#include "lunexec/mem.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

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

static void open_pipe(struct lx_child *child, uv_pipe_t *pipe, bool *open,
                      uv_stdio_container_t *stdio, uv_stdio_flags direction)
{
    uv_pipe_init(&child->loop->uv, pipe, 0);
    pipe->data = child;
    *open = true;
    child->n_handles++;
    stdio->flags = (uv_stdio_flags)(UV_CREATE_PIPE | (unsigned)direction);
    stdio->data.stream = (uv_stream_t *)pipe;
}

static int inherit(uv_stdio_container_t *stdio, int fd)
{
    stdio->flags = UV_INHERIT_FD;
    stdio->data.fd = fd;
    return fd;
}

static int spawn(struct lx_child *child, const struct lx_child_opts *opts)
{
    uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE},
                                     {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    if (opts->in)
        open_pipe(child, &child->in, &child->in_open, &stdio[0], UV_READABLE_PIPE);
    if (opts->on_out)
        open_pipe(child, &child->out, &child->out_open, &stdio[1], UV_WRITABLE_PIPE);
    else
        inherit(&stdio[1], 1);
    if (opts->on_err)
        open_pipe(child, &child->err, &child->err_open, &stdio[2], UV_WRITABLE_PIPE);
    else
        inherit(&stdio[2], 2);
    if (opts->fd3 > 0)
        inherit(&stdio[3], opts->fd3);

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
    child->process.data = child;
    child->n_handles++;
    return uv_spawn(&child->loop->uv, &child->process, &options);
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
    int rc = spawn(child, opts);
    if (rc < 0) {
        child->exited = true;
        uv_close((uv_handle_t *)&child->process, handle_closed);
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
    if (child->new_group)
        kill(-child->pid, signum); /* what is left of the group, also after the leader's end */
    else if (!child->exited)
        uv_process_kill(&child->process, signum);
}

void lx_child_free(struct lx_child *child)
{
    if (!child)
        return;
    child->freed = true;
    lx_task_cancel(&child->exit_task);
    lx_timer_free(child->grace);
    close_pipe(&child->in, &child->in_open);
    close_pipe(&child->out, &child->out_open);
    close_pipe(&child->err, &child->err_open);
    if (!child->exited && child->pid > 0) {
        /* The loop reaps it; the memory is released when its handle is closed. */
        lx_child_kill(child, SIGKILL);
    }
    release(child);
}
