/*
 * What a process can still do once it is confined, tried as if a script had broken out of Lua.
 * Each attempt runs in a process of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_MAX ((size_t)256 << 20)
#define SOCKET 3
#define ALLOWED 77 /* the exit status of an attempt that went through */

struct attempt {
    long (*fn)(void);
    int socket;
};

static int attempt(void *arg)
{
    const struct attempt *attempt = arg;
    struct lx_err err;
    if (dup2(attempt->socket, SOCKET) < 0)
        _exit(1);
    if (lx_confine(SOCKET, MEMORY_MAX, &err)) {
        fprintf(stderr, "%s\n", err.text);
        _exit(1);
    }
    _exit(attempt->fn() < 0 ? 0 : ALLOWED);
}

/* Runs fn in a confined process; returns the wait status. Its socket is `peer`'s other end. The
 * process has this one's memory, as after vfork: it can write no file with what was covered. */
static int run_confined(long (*fn)(void), int *ret_peer)
{
    static char stack[1 << 20] __attribute__((aligned(16)));
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct attempt arg = {.fn = fn, .socket = fds[1]};
    pid_t pid = clone(attempt, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &arg);
    assert_true(pid >= 0);
    close(fds[1]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (ret_peer)
        *ret_peer = fds[0];
    else
        close(fds[0]);
    return status;
}

/* ---- What must not be possible ---- */

static long try_open(void)
{
    return open("/etc/passwd", O_RDONLY);
}

static long try_open_self(void)
{
    return open("/proc/self/environ", O_RDONLY);
}

static long try_create(void)
{
    return open("/tmp/lx-escaped", O_CREAT | O_WRONLY, 0600);
}

static long try_openat2(void)
{
    uint64_t how[3] = {O_RDONLY};
    return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof how);
}

static long try_stat(void)
{
    struct stat status;
    return stat("/etc/passwd", &status);
}

static long try_readlink(void)
{
    char text[64];
    return readlink("/proc/self/exe", text, sizeof text);
}

static long try_unlink(void)
{
    return unlink("/tmp/lx-no-such-file");
}

static long try_chdir(void)
{
    return chdir("/");
}

static long try_mount(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static long try_tcp(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_unix(void)
{
    return socket(AF_UNIX, SOCK_DGRAM, 0);
}

static long try_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long try_send_descriptor(void)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    return sendmsg(SOCKET, &message, 0);
}

static long try_receive_descriptor(void)
{
    struct msghdr message = {0};
    return recvmsg(SOCKET, &message, MSG_DONTWAIT);
}

static long try_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    return connect(SOCKET, (struct sockaddr *)&address, sizeof address);
}

static long try_fork(void)
{
    return fork();
}

static long try_clone3(void)
{
    uint64_t args[11] = {0};
    return syscall(SYS_clone3, args, sizeof args);
}

static long try_exec(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static long try_execveat(void)
{
    char *const argv[] = {"x", NULL};
    return syscall(SYS_execveat, SOCKET, "", argv, argv, AT_EMPTY_PATH);
}

static long try_kill_parent(void)
{
    return kill(getppid(), 0);
}

static long try_kill_all(void)
{
    return syscall(SYS_kill, -1, 0);
}

static long try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long try_read_other_memory(void)
{
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    return syscall(SYS_process_vm_readv, 1, &part, 1UL, &part, 1UL, 0UL);
}

static long try_code_pages(void)
{
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : 0;
}

static long try_make_executable(void)
{
    static char page[8192] __attribute__((aligned(4096)));
    return mprotect(page, sizeof page, PROT_READ | PROT_EXEC);
}

static long try_map_file(void)
{
    return mmap(NULL, 4096, PROT_READ, MAP_SHARED, 0, 0) == MAP_FAILED ? -1 : 0;
}

static long try_memfd(void)
{
    return memfd_create("x", 0);
}

static long try_pipe(void)
{
    int fds[2];
    return pipe(fds);
}

static long try_dup(void)
{
    return dup(SOCKET);
}

static long try_read_stdin(void)
{
    char byte;
    return read(STDIN_FILENO, &byte, 1);
}

static long try_write_stdout(void)
{
    return write(STDOUT_FILENO, "x", 1);
}

static long try_io_uring(void)
{
    char params[128] = {0};
    return syscall(SYS_io_uring_setup, 1, params);
}

static long try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_userns(void)
{
    return unshare(CLONE_NEWUSER);
}

static long try_raise_limit(void)
{
    struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static long try_prctl(void)
{
    return prctl(PR_SET_DUMPABLE, 1);
}

static long try_setuid(void)
{
    return setuid(1);
}

static long try_hostname(void)
{
    char name[64];
    return gethostname(name, sizeof name);
}

static long try_sleep(void)
{
    struct timespec when = {.tv_sec = 0, .tv_nsec = 1};
    return nanosleep(&when, NULL);
}

static long try_old_calls(void)
{
    long rc = 0;
#ifdef __x86_64__
    /* getpid by the 32-bit entry, for which the filter was not written */
    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20) : "memory");
#else
    rc = try_open();
#endif
    return rc;
}

static void test_nothing_leads_out(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long (*fn)(void);
    } attempts[] = {
        {"open", try_open},
        {"open own environment", try_open_self},
        {"create", try_create},
        {"openat2", try_openat2},
        {"stat", try_stat},
        {"readlink", try_readlink},
        {"unlink", try_unlink},
        {"chdir", try_chdir},
        {"mount", try_mount},
        {"TCP socket", try_tcp},
        {"Unix socket", try_unix},
        {"netlink socket", try_netlink},
        {"send a descriptor", try_send_descriptor},
        {"receive a descriptor", try_receive_descriptor},
        {"connect", try_connect},
        {"fork", try_fork},
        {"clone3", try_clone3},
        {"exec", try_exec},
        {"execveat", try_execveat},
        {"kill the parent", try_kill_parent},
        {"kill all", try_kill_all},
        {"ptrace", try_ptrace},
        {"read another process", try_read_other_memory},
        {"map code", try_code_pages},
        {"make executable", try_make_executable},
        {"map a file", try_map_file},
        {"memfd", try_memfd},
        {"pipe", try_pipe},
        {"dup", try_dup},
        {"read standard input", try_read_stdin},
        {"write standard output", try_write_stdout},
        {"io_uring", try_io_uring},
        {"bpf", try_bpf},
        {"user namespace", try_userns},
        {"raise a limit", try_raise_limit},
        {"prctl", try_prctl},
        {"setuid", try_setuid},
        {"host name", try_hostname},
        {"sleep", try_sleep},
        {"32-bit calls", try_old_calls},
    };
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        int status = run_confined(attempts[i].fn, NULL);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("%s: status %x", attempts[i].name, (unsigned)status);
    }
    assert_int_equal(access("/tmp/lx-escaped", F_OK), -1);
}

/* ---- What the child's work needs ---- */

static long do_work(void)
{
    struct pollfd waiting = {.fd = SOCKET, .events = POLLOUT};
    struct timespec now;
    struct itimerspec never = {0};
    if (poll(&waiting, 1, 10) != 1 || clock_gettime(CLOCK_MONOTONIC, &now))
        return 0;
    (void)syscall(SYS_timer_settime, 12345, 0, &never, NULL); /* no such timer, but allowed */
    for (size_t size = 16; size < MEMORY_MAX / 4; size *= 2) {
        char *block = malloc(size);
        if (!block)
            return 0;
        memset(block, 1, size);
        char *larger = realloc(block, size + size / 2);
        if (!larger)
            return 0;
        free(larger);
    }
    return write(SOCKET, "done", 4) == 4 ? -1 : 0;
}

static void test_work_goes_on(void **state)
{
    (void)state;
    int peer = -1;
    char text[8] = "";
    int status = run_confined(do_work, &peer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(read(peer, text, sizeof text), 4);
    assert_string_equal(text, "done");
    close(peer);
}

static long use_memory(void)
{
    size_t got = 0;
    while (malloc((size_t)1 << 20))
        got += (size_t)1 << 20;
    return got < MEMORY_MAX ? -1 : 0;
}

static void test_memory_is_limited(void **state)
{
    (void)state;
    int status = run_confined(use_memory, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_leads_out),
        cmocka_unit_test(test_work_goes_on),
        cmocka_unit_test(test_memory_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
