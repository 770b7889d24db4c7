#include "confine.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Resource limits ---- */

/* Processor time: the executor starts a new child after an hour of it. Descriptors: fewer than are
 * open, so no more; but poll waits for as many at once. */
static int set_limits(size_t memory_max, struct lx_err *err)
{
    const struct {
        __rlimit_resource_t resource;
        rlim_t max;
    } limits[] = {
        {RLIMIT_AS, memory_max}, {RLIMIT_CPU, 3600}, {RLIMIT_NOFILE, 1},
        {RLIMIT_FSIZE, 0},       {RLIMIT_CORE, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct rlimit limit = {.rlim_cur = limits[i].max, .rlim_max = limits[i].max};
        if (setrlimit(limits[i].resource, &limit))
            return lx_fail_errno(err, errno, "setrlimit %d", (int)limits[i].resource);
    }
    return 0;
}

/* ---- Landlock ---- */

/* struct landlock_ruleset_attr as the newest kernels know it; older ones take its beginning. */
struct ruleset {
    uint64_t fs, net, scoped;
};

/* Everything that a kernel of version `abi` can deny, denied: there is no rule that allows. */
static void ruleset_of(long abi, struct ruleset *ret_ruleset, size_t *ret_size)
{
    static const unsigned fs_rights[] = {0, 13, 14, 15, 15, 16}; /* by version; the last stays */
    size_t last = sizeof fs_rights / sizeof fs_rights[0] - 1;
    size_t at = (size_t)abi < last ? (size_t)abi : last;
    ret_ruleset->fs = ((uint64_t)1 << fs_rights[at]) - 1;
    ret_ruleset->net = abi >= 4 ? 3 : 0;    /* bind, connect */
    ret_ruleset->scoped = abi >= 6 ? 3 : 0; /* abstract sockets, signals */
    *ret_size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

static int set_landlock(struct lx_err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (abi <= 0)
        return 0; /* not built in or switched off: the system call filter stands */
    struct ruleset rules;
    size_t size = 0;
    ruleset_of(abi, &rules, &size);
    long fd = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (fd < 0)
        return lx_fail_errno(err, errno, "landlock_create_ruleset");
    long rc = syscall(SYS_landlock_restrict_self, fd, 0);
    int number = errno;
    close((int)fd);
    return rc ? lx_fail_errno(err, number, "landlock_restrict_self") : 0;
}

/* ---- System calls ---- */

/* Memory without files and without execution. */
static int allow_memory(scmp_filter_ctx filter)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 3,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                              SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS),
                              SCMP_A4(SCMP_CMP_MASKED_EQ, 0xffffffffu, 0xffffffffu));
    static const int calls[] = {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
                                SCMP_SYS(madvise)};
    for (size_t i = 0; rc == 0 && i < sizeof calls / sizeof calls[0]; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return rc;
}

static int allow_io(scmp_filter_ctx filter, int fd)
{
    const scmp_datum_t socket = (scmp_datum_t)fd;
    int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                              SCMP_A0(SCMP_CMP_EQ, socket, 0));
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                              SCMP_A0(SCMP_CMP_EQ, socket, 0));
    if (rc == 0) /* last words of an assertion */
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                              SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO, 0));
    return rc;
}

static int allow_rest(scmp_filter_ctx filter)
{
    static const int calls[] = {
        SCMP_SYS(poll),          SCMP_SYS(ppoll),           SCMP_SYS(timer_settime),
        SCMP_SYS(clock_gettime), SCMP_SYS(rt_sigreturn),    SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(futex),         SCMP_SYS(restart_syscall), SCMP_SYS(exit),
        SCMP_SYS(exit_group),
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof calls / sizeof calls[0]; i++) {
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        if (rc == -EDOM) /* a call this architecture does not have */
            rc = 0;
    }
    return rc;
}

static int set_filter(int fd, struct lx_err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return lx_fail(err, LX_E_IO, "seccomp: no filter");
    int rc = allow_memory(filter);
    if (rc == 0)
        rc = allow_io(filter, fd);
    if (rc == 0)
        rc = allow_rest(filter);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc ? lx_fail_errno(err, -rc, "seccomp") : 0;
}

int lx_confine(int fd, size_t memory_max, struct lx_err *err)
{
    if (prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return lx_fail_errno(err, errno, "prctl");
    if (set_landlock(err) || set_limits(memory_max, err))
        return -1;
    return set_filter(fd, err);
}
