/*
 * Removal of a directory tree of any depth with two open directories and no recursion: a directory
 * found inside a directory is moved up to the top one, whose turn comes until nothing is left.
 */
#include "lunexec/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct removal {
    const char *path;
    int top;
    unsigned long long moved;
    struct lx_err *err;
};

static int fail(const struct removal *rm, const char *name)
{
    return lx_fail_errno(rm->err, errno, "removing %s in %s", name, rm->path);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The directory `name` in `parent`, made accessible if its mode keeps even its owner out. */
static DIR *open_dir(int parent, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        fd = openat(parent, name, flags);
    if (fd < 0)
        return NULL;
    struct stat st;
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
        (void)fchmod(fd, 0700);
    DIR *dir = fdopendir(fd);
    if (!dir)
        close(fd);
    return dir;
}

/* Unlinks the entry or removes it as an empty directory; 1 if it is a directory with something in
 * it. */
static int remove_entry(const struct removal *rm, int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return fail(rm, name);
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? 1 : fail(rm, name);
}

/* Moves `name` to a free name in the top directory. */
static int move_up(struct removal *rm, int parent, const char *name)
{
    for (;;) {
        char to[40];
        (void)snprintf(to, sizeof(to), ".lx-%llu", rm->moved++);
        if (renameat(parent, name, rm->top, to) == 0)
            return 0;
        if (errno == EACCES && fchmodat(parent, name, 0700, 0) == 0 &&
            renameat(parent, name, rm->top, to) == 0)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
            return fail(rm, name);
    }
}

/* Empties the directory `name` of the top one, and removes it. */
static int flatten(struct removal *rm, const char *name)
{
    DIR *dir = open_dir(rm->top, name);
    if (!dir)
        return fail(rm, name);
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir))) {
        if (is_dots(entry->d_name))
            continue;
        rc = remove_entry(rm, dirfd(dir), entry->d_name);
        if (rc > 0)
            rc = move_up(rm, dirfd(dir), entry->d_name);
    }
    closedir(dir);
    if (rc == 0 && unlinkat(rm->top, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
        errno != ENOTEMPTY)
        rc = fail(rm, name);
    return rc;
}

/* One pass over the top directory: 1 when something was there, 0 when it is empty. */
static int pass(struct removal *rm, DIR *top)
{
    bool any = false;
    struct dirent *entry;
    rewinddir(top);
    while ((entry = readdir(top))) {
        if (is_dots(entry->d_name))
            continue;
        any = true;
        int rc = remove_entry(rm, rm->top, entry->d_name);
        if (rc > 0)
            rc = flatten(rm, entry->d_name);
        if (rc < 0)
            return rc;
    }
    return any;
}

int lx_remove_tree(const char *path, struct lx_err *err)
{
    struct removal rm = {.path = path, .err = err};
    DIR *top = open_dir(AT_FDCWD, path);
    if (!top) {
        if (errno == ENOENT)
            return 0;
        if ((errno == ENOTDIR || errno == ELOOP) && unlink(path) == 0)
            return 0;
        return lx_fail_errno(err, errno, "removing %s", path);
    }
    rm.top = dirfd(top);
    int rc;
    do
        rc = pass(&rm, top);
    while (rc > 0);
    closedir(top);
    if (rc == 0 && rmdir(path) < 0 && errno != ENOENT)
        rc = lx_fail_errno(err, errno, "removing %s", path);
    return rc;
}
