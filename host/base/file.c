#include "lunexec/file.h"

#include "lunexec/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, const char *path, struct lx_buf *out, struct lx_err *err)
{
    char chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lx_fail_errno(err, errno, "reading %s", path);
        if (n == 0)
            return 0;
        if (lx_buf_add(out, chunk, (size_t)n, err) < 0)
            return lx_wrap(err, "reading %s", path);
    }
}

int lx_file_read(const char *path, struct lx_buf *out, struct lx_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int number = errno;
        lx_fail_errno(err, number, "cannot open %s", path);
        if (err && (number == ENOENT || number == ENOTDIR))
            err->code = LX_E_NOT_FOUND;
        return -1;
    }
    int result = read_all(fd, path, out, err);
    close(fd);
    return result;
}

int lx_file_write(const char *path, const void *data, size_t len, unsigned mode, struct lx_err *err)
{
    const char *at = data;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return lx_fail_errno(err, errno, "cannot create %s", path);
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int number = errno;
            close(fd);
            return lx_fail_errno(err, number, "writing %s", path);
        }
        at += n;
        len -= (size_t)n;
    }
    if (close(fd) < 0)
        return lx_fail_errno(err, errno, "writing %s", path);
    return 0;
}

static int remove_at(int dir, const char *name, const char *path, struct lx_err *err);

static int remove_children(int dir, const char *name, const char *path, struct lx_err *err)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return lx_fail_errno(err, errno, "cannot open %s", path);
    DIR *stream = fdopendir(fd);
    if (!stream) {
        close(fd);
        return lx_fail_errno(err, errno, "cannot read %s", path);
    }
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = remove_at(fd, entry->d_name, path, err);
    }
    closedir(stream);
    return result;
}

static int remove_at(int dir, const char *name, const char *path, struct lx_err *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : lx_fail_errno(err, errno, "cannot look at %s", path);
    bool is_dir = S_ISDIR(st.st_mode);
    if (is_dir) {
        /* A folder without write permission (a Go module cache) cannot be emptied otherwise. */
        (void)fchmodat(dir, name, 0700, 0);
        if (remove_children(dir, name, path, err) < 0)
            return -1;
    }
    if (unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
        return lx_fail_errno(err, errno, "cannot remove %s in %s", name, path);
    return 0;
}

int lx_remove_tree(const char *path, struct lx_err *err)
{
    return remove_at(AT_FDCWD, path, path, err);
}

int lx_mkdirs(const char *path, unsigned mode, struct lx_err *err)
{
    lx_auto(str) char *copy = lx_strdup(path);
    for (char *at = copy + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char saved = *at;
        *at = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return lx_fail_errno(err, errno, "cannot create %s", copy);
        if (saved == '\0')
            return 0;
        *at = saved;
    }
}
