/*
 * The system call filter: what neither the executor nor git has any use for, and what attackers do.
 * A list of what is denied, since libraries and git change what they need.
 */
#include "app/restrict.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const int denied[] = {
#ifndef LX_INSTRUMENTED /* the leak checker */
    /* other processes' memory and descriptors */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
#endif
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    /* mounts and namespaces */
    SCMP_SYS(mount),
    SCMP_SYS(umount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    /* the kernel's code, and large parts of it that are attacked often */
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(fanotify_mark),
    SCMP_SYS(vmsplice),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(modify_ldt),
    /* programs that are in no file */
    SCMP_SYS(memfd_create),
    SCMP_SYS(memfd_secret),
    SCMP_SYS(execveat),
    /* the machine */
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(stime),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(syslog),
    SCMP_SYS(vhangup),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(personality),
    SCMP_SYS(uselib),
    SCMP_SYS(ustat),
    SCMP_SYS(sysfs),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(_sysctl),
    SCMP_SYS(vm86),
    SCMP_SYS(vm86old),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(move_pages),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
};

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* A call that this architecture or this libseccomp does not have needs no denying. */
static int deny(scmp_filter_ctx filter, int call, int number, unsigned n_args,
                const struct scmp_arg_cmp *args)
{
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)number), call, n_args, args);
    return rc == -EDOM || (call < 0 && rc == -EFAULT) ? 0 : rc;
}

static int deny_all(scmp_filter_ctx filter)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < N_OF(denied); i++)
        rc = deny(filter, denied[i], EPERM, 0, NULL);
    return rc;
}

/* No new namespaces. The flags of clone3 are in memory, where no filter sees them; without it
 * libraries use clone. */
static int deny_namespaces(scmp_filter_ctx filter)
{
    static const unsigned flags[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
                                     CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};
#ifdef __s390x__
    const unsigned place = 1;
#else
    const unsigned place = 0;
#endif
    int rc = deny(filter, SCMP_SYS(clone3), ENOSYS, 0, NULL);
    for (size_t i = 0; rc == 0 && i < N_OF(flags); i++) {
        const struct scmp_arg_cmp has = {place, SCMP_CMP_MASKED_EQ, flags[i], flags[i]};
        rc = deny(filter, SCMP_SYS(clone), EPERM, 1, &has);
    }
    return rc;
}

/* Sockets are local or of the internet, and what the resolver asks the kernel through. */
static int deny_sockets(scmp_filter_ctx filter)
{
    int rc = 0;
    for (unsigned family = 0; rc == 0 && family <= AF_NETLINK; family++) {
        const struct scmp_arg_cmp is = {0, SCMP_CMP_EQ, family, 0};
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            rc = deny(filter, SCMP_SYS(socket), EAFNOSUPPORT, 1, &is);
    }
    const struct scmp_arg_cmp beyond = {0, SCMP_CMP_GT, AF_NETLINK, 0};
    return rc == 0 ? deny(filter, SCMP_SYS(socket), EAFNOSUPPORT, 1, &beyond) : rc;
}

/* Typing into the terminal that one was started from. */
static int deny_typing(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp types = {1, SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI};
    return deny(filter, SCMP_SYS(ioctl), EPERM, 1, &types);
}

int lx_restrict_calls(struct lx_err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return lx_fail(err, LX_E_IO, "seccomp: no filter");
    int rc = deny_all(filter);
    if (rc == 0)
        rc = deny_namespaces(filter);
    if (rc == 0)
        rc = deny_sockets(filter);
    if (rc == 0)
        rc = deny_typing(filter);
    if (rc == 0) /* decided by a tree: git and curl make many calls */
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc ? lx_fail_errno(err, -rc, "seccomp") : 0;
}
