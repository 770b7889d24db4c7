/*
 * Landlock. Reading stays free: credentials, name servers and policies are replaced under way, and
 * what this user may not read, the file system knows.
 */
#include "app/restrict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef LX_INSTRUMENTED

int lx_restrict_files(const char *const *writable, const char *const *programs, struct lx_err *err)
{
    (void)writable;
    (void)programs;
    return lx_fail(err, LX_E_NOT_FOUND, "an instrumented build writes its reports anywhere");
}

#else

/* Names and numbers of the kernel's, of which the system's headers may know a part only. */
enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,    /* version 2 */
    FS_TRUNCATE = 1 << 14, /* version 3 */
};
#define SCOPES 3u /* version 6: abstract sockets, signals */
#define RULE_PATH_BENEATH 1

/* git moves files between directories, which version 1 denies always. */
#define VERSION_MIN 2

#define CHANGES                                                                                    \
    (FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SYM |    \
     FS_REFER | FS_TRUNCATE)
#define OTHERS (FS_MAKE_CHAR | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_BLOCK) /* nowhere */

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_beneath {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

static int allow(long rules, const char *path, int flags, uint64_t rights, struct lx_err *err)
{
    int fd = open(path, O_PATH | O_CLOEXEC | flags);
    if (fd < 0)
        return 0; /* neither does it allow anything */
    struct path_beneath rule = {.allowed = rights, .fd = fd};
    long rc = syscall(SYS_landlock_add_rule, rules, RULE_PATH_BENEATH, &rule, 0);
    int number = errno;
    close(fd);
    return rc ? lx_fail_errno(err, number, "landlock_add_rule %s", path) : 0;
}

static int allow_all(long rules, const char *const *paths, uint64_t rights, struct lx_err *err)
{
    for (; *paths; paths++) {
        if (allow(rules, *paths, O_DIRECTORY, rights, err) < 0)
            return -1;
    }
    return 0;
}

static int enforce(long rules, struct lx_err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return lx_fail_errno(err, errno, "prctl PR_SET_NO_NEW_PRIVS");
    if (syscall(SYS_landlock_restrict_self, rules, 0))
        return lx_fail_errno(err, errno, "landlock_restrict_self");
    return 0;
}

int lx_restrict_files(const char *const *writable, const char *const *programs, struct lx_err *err)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (version < VERSION_MIN)
        return lx_fail(err, LX_E_NOT_FOUND, "Landlock %s",
                       version < 0 ? "is not there" : "is too old");
    uint64_t changes = version >= 3 ? CHANGES : CHANGES & ~(uint64_t)FS_TRUNCATE;
    struct ruleset ruleset = {
        .fs = FS_EXECUTE | changes | OTHERS,
        .scoped = version >= 6 ? SCOPES : 0,
    };
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    long rules = syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
    if (rules < 0)
        return lx_fail_errno(err, errno, "landlock_create_ruleset");
    int rc = allow_all(rules, writable, changes, err);
    if (rc == 0)
        rc = allow_all(rules, programs, FS_EXECUTE, err);
    if (rc == 0) /* a child's standard input */
        rc = allow(rules, "/dev/null", 0, FS_WRITE_FILE, err);
    if (rc == 0)
        rc = enforce(rules, err);
    close((int)rules);
    return rc;
}

#endif
