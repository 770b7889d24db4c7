/*
 * What the executor gives up: each test restricts a process of its own, which then tries.
 */
#include "app/restrict.h"

#include "lunexec/file.h"
#include "lunexec/mem.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The status with which a process ends that runs `fn`. */
static int in_process(int (*fn)(const char *dir), const char *dir)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fn(dir));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A check's number when it fails. */
#define CHECK(number, condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return (number);                                                                       \
    } while (0)

static bool fails(long rc, int number)
{
    return rc < 0 && errno == number;
}

static bool runs(const char *program)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, (char *)NULL);
        _exit(126);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* ---- System calls ---- */

static void *nothing(void *arg)
{
    return arg;
}

static int denied_calls(const char *dir)
{
    CHECK(1, lx_restrict_calls(NULL) == 0);
    CHECK(2, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_SECCOMP) == 2);
    CHECK(3, fails(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM));
    CHECK(4, fails(unshare(CLONE_NEWUSER), EPERM));
    CHECK(5, fails(syscall(SYS_mount, "none", dir, "tmpfs", 0, NULL), EPERM));
    CHECK(6, fails(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0), EPERM));
    CHECK(7, fails(syscall(SYS_clone3, NULL, 0), ENOSYS));
    CHECK(8, fails(syscall(SYS_memfd_create, "x", 0), EPERM));
    CHECK(9, fails(syscall(SYS_bpf, 0, NULL, 0), EPERM));
    CHECK(10, fails(syscall(SYS_keyctl, 0, 0), EPERM));
    CHECK(11, fails(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0), EPERM));
    CHECK(12, fails(syscall(SYS_io_uring_setup, 1, NULL), EPERM));
    CHECK(13, fails(syscall(SYS_userfaultfd, 0), EPERM));
    CHECK(14, fails(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0), EPERM));
    CHECK(15, fails(syscall(SYS_setns, -1, 0), EPERM));
    CHECK(16, fails(syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM));
    CHECK(17, fails(syscall(SYS_finit_module, -1, "", 0), EPERM));
    CHECK(18, fails(ioctl(0, TIOCSTI, "x"), EPERM));
    CHECK(19, fails(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT));
    CHECK(20, fails(socket(AF_APPLETALK, SOCK_DGRAM, 0), EAFNOSUPPORT));
    CHECK(21, fails(socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT));
    return 0;
}

static int needed_calls(const char *dir)
{
    pthread_t thread;
    (void)dir;
    CHECK(1, lx_restrict_calls(NULL) == 0);
    CHECK(2, pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(3, socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    CHECK(4, socket(AF_INET, SOCK_STREAM, 0) >= 0);
    CHECK(5, socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT ||
                 access("/proc/net/if_inet6", F_OK));
    CHECK(6, socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    CHECK(7, runs("/bin/true"));
    CHECK(8, lx_restrict_calls(NULL) == 0); /* as the policy's child does, on top */
    return 0;
}

static void calls_that_nobody_needs_are_denied(void **state)
{
    assert_int_equal(in_process(denied_calls, *state), 0);
}

static void calls_that_are_needed_are_not(void **state)
{
    assert_int_equal(in_process(needed_calls, *state), 0);
}

/* ---- Files ---- */

static bool can_write(const char *dir, const char *name)
{
    lx_auto(str) char *path = lx_strf("%s/%s", dir, name);
    return lx_file_write(path, "x", 1, 0600, NULL) == 0;
}

static int restrict_to(const char *dir)
{
    lx_auto(str) char *own = lx_strf("%s/own", dir);
    lx_auto(str) char *old = lx_strf("%s/old", dir);
    const char *const writable[] = {own, "/nonexistent", old, NULL};
    const char *const programs[] = {"/bin", "/usr", "/lib", "/lib64", NULL};
    return lx_restrict_files(writable, programs, NULL);
}

static int changes(const char *dir)
{
    lx_auto(str) char *own = lx_strf("%s/own", dir);
    lx_auto(str) char *below = lx_strf("%s/own/below", dir);
    lx_auto(str) char *from = lx_strf("%s/own/new", dir);
    lx_auto(str) char *to = lx_strf("%s/own/below/moved", dir);
    lx_auto(str) char *old = lx_strf("%s/old", dir);
    lx_auto(str) char *pipe = lx_strf("%s/own/pipe", dir);
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(100);
    CHECK(1, restrict_to(dir) == 0);
    CHECK(2, can_write(own, "new"));
    CHECK(3, mkdir(below, 0700) == 0 && rename(from, to) == 0 && unlink(to) == 0);
    CHECK(4, open(own, O_TMPFILE | O_RDWR, 0600) >= 0 || errno == EOPNOTSUPP);
    CHECK(5, !can_write(dir, "new") && !can_write(dir, "old"));
    CHECK(6, fails(unlink(old), EACCES) && fails(truncate(old, 0), EACCES));
    CHECK(7, fails(mkfifo(pipe, 0600), EACCES));
    CHECK(8, lx_file_read(old, &text, NULL) == 0);
    CHECK(9, open("/dev/null", O_RDWR) >= 0);
    return 0;
}

static int programs(const char *dir)
{
    lx_auto(str) char *copy = lx_strf("%s/own/true", dir);
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT((size_t)64 << 20);
    CHECK(1, lx_file_read("/bin/true", &text, NULL) == 0);
    CHECK(2, lx_file_write(copy, text.data, text.len, 0700, NULL) == 0 && runs(copy));
    CHECK(3, restrict_to(dir) == 0);
    CHECK(4, runs("/bin/true") && !runs(copy));
    CHECK(5, kill(getppid(), 0) < 0 || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 6);
    return 0;
}

static void it_changes_its_own_directories_only(void **state)
{
    assert_int_equal(in_process(changes, *state), 0);
}

static void it_runs_what_it_could_not_write(void **state)
{
    assert_int_equal(in_process(programs, *state), 0);
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 2;
}

static int old_kernel(const char *dir)
{
    (void)dir;
    struct lx_err err = {0};
    const char *const none[] = {NULL};
    return lx_restrict_files(none, none, &err) < 0 && err.code == LX_E_NOT_FOUND ? 0 : 1;
}

static void without_landlock_it_says_so(void **state)
{
    assert_int_equal(in_process(old_kernel, *state), 0);
}

static int setup(void **state)
{
    char *dir = lx_strdup("/tmp/lx-restrict-XXXXXX");
    assert_non_null(mkdtemp(dir));
    lx_auto(str) char *own = lx_strf("%s/own", dir);
    assert_int_equal(mkdir(own, 0700), 0);
    assert_true(can_write(dir, "old"));
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    char *dir = *state;
    int rc = lx_remove_tree(dir, NULL);
    free(dir);
    return rc;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest calls[] = {
        TEST(calls_that_nobody_needs_are_denied),
        TEST(calls_that_are_needed_are_not),
    };
    const struct CMUnitTest files[] = {
        TEST(it_changes_its_own_directories_only),
        TEST(it_runs_what_it_could_not_write),
    };
    const struct CMUnitTest without[] = {TEST(without_landlock_it_says_so)};
    int failed = cmocka_run_group_tests(calls, NULL, NULL);
    if (has_landlock())
        return failed + cmocka_run_group_tests(files, NULL, NULL);
    return failed + cmocka_run_group_tests(without, NULL, NULL);
}
