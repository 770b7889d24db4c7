/*
 * The policy child: confines itself, then answers messages on one socket until it closes.
 */
#include "confine.h"
#include "frame.h"
#include "lunexec/mem.h"
#include "lunexec/policy.h"
#include "vm.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Address space: the largest state a bundle may be given, frames both ways, code and stack. */
#define ADDRESS_SPACE ((size_t)1 << 30)
/* Without a message for this long, memory goes back to the system. */
#define IDLE_MS 50
/* Most messages fit into one read of this size. */
#define FIRST_READ ((size_t)16 << 10)
/* A buffer larger than this is given back after the message. */
#define BUFFER_KEEP ((size_t)256 << 10)

struct child {
    int fd;
    struct lx_vm *vm;
    timer_t timer;
    struct lx_buf in, out;
};

static void on_timer(int signum, siginfo_t *info, void *context)
{
    (void)signum;
    (void)context;
    lx_vm_interrupt(info->si_value.sival_ptr);
}

/* A timer on the processor time of this process: unlike a hook that counts instructions it costs
 * a script nothing, and it sees time spent inside C functions. It is there for the message that
 * says where a script was; the executor's deadline, by the clock on the wall, is the limit. */
static int make_timer(struct child *child, struct lx_err *err)
{
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    event.sigev_value.sival_ptr = child->vm;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGALRM, &action, NULL) ||
        timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &child->timer))
        return lx_fail_errno(err, errno, "timer");
    return 0;
}

static void set_timer(const struct child *child, int64_t ms)
{
    const struct itimerspec when = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
    timer_settime(child->timer, 0, &when, NULL);
}

/* Reads what there is, at least one byte; 1, or 0 at the end. */
static int fill(struct child *child, size_t missing, struct lx_err *err)
{
    size_t want = child->in.len == 0 ? FIRST_READ : missing;
    char *to = lx_buf_reserve(&child->in, want, err);
    if (!to)
        return -1;
    ssize_t n = 0;
    do {
        n = read(child->fd, to, want);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return lx_fail_errno(err, errno, "read");
    child->in.len += (size_t)n;
    return n > 0;
}

/* Waits for a whole message; 1, or 0 when the socket was closed. */
static int receive(struct child *child, const char **ret_data, size_t *ret_len, struct lx_err *err)
{
    struct pollfd waiting = {.fd = child->fd, .events = POLLIN};
    if (child->in.len == 0 && poll(&waiting, 1, IDLE_MS) == 0)
        lx_vm_idle(child->vm);
    for (;;) {
        size_t missing = 0;
        int rc = lx_frame_peek(&child->in, ret_data, ret_len, &missing, err);
        if (rc != 0)
            return rc;
        rc = fill(child, missing, err);
        if (rc != 1)
            return rc;
    }
}

static int send_all(const struct child *child, struct lx_err *err)
{
    for (size_t at = 0; at < child->out.len;) {
        ssize_t n = write(child->fd, child->out.data + at, child->out.len - at);
        if (n < 0 && errno != EINTR)
            return lx_fail_errno(err, errno, "write");
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void settle(struct lx_buf *buf)
{
    lx_buf_reset(buf);
    if (buf->cap > BUFFER_KEEP)
        lx_buf_done(buf);
}

static int serve(struct child *child, struct lx_err *err)
{
    for (;;) {
        const char *data = NULL;
        size_t len = 0;
        int rc = receive(child, &data, &len, err);
        if (rc != 1)
            return rc;
        set_timer(child, lx_vm_cpu_ms(child->vm));
        rc = lx_vm_serve(child->vm, data, len, &child->out, err);
        set_timer(child, 0);
        if (rc || send_all(child, err))
            return -1;
        settle(&child->in);
        settle(&child->out);
        set_timer(child, lx_vm_cpu_ms(child->vm));
        lx_vm_tidy(child->vm);
        set_timer(child, 0);
    }
}

/* Says on standard error why there is no child; the executor sees it end. */
static int give_up(const struct lx_err *err)
{
    char text[LX_ERR_TEXT + 32];
    int n = snprintf(text, sizeof text, "lunexec-policy: %s\n", err->text);
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
        return 2;
    return 1;
}

static int prepare(struct child *child, struct lx_err *err)
{
    close_range((unsigned)child->fd + 1, ~0U, 0); /* what others forgot to mark close-on-exec */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL))
        return lx_fail_errno(err, errno, "prctl");
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    if (lx_vm_new(&child->vm, err) || make_timer(child, err))
        return -1;
#ifdef LX_INSTRUMENTED
    return 0; /* sanitizers and coverage need files, threads and address space */
#else
    return lx_confine(child->fd, ADDRESS_SPACE, err);
#endif
}

int lx_policy_child_main(int fd)
{
    struct child child = {.fd = fd, .in = LX_FRAME_BUF_INIT, .out = LX_FRAME_BUF_INIT};
    struct lx_err err;
    int status = 0;
    if (prepare(&child, &err) || serve(&child, &err))
        status = give_up(&err);
    lx_vm_free(child.vm);
    lx_buf_done(&child.in);
    lx_buf_done(&child.out);
    return status;
}
