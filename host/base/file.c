#include "lunexec/file.h"

#include "lunexec/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536u

static int fail_path(struct lx_err *err, const char *what, const char *path)
{
    int number = errno;
    lx_fail_errno(err, number, "%s %s", what, path);
    if (err && (number == ENOENT || number == ENOTDIR))
        err->code = LX_E_NOT_FOUND;
    return -1;
}

/* One read into `out`: 1 for more to come, 0 at the end, -1 on failure. */
static int read_some(int fd, const char *path, struct lx_buf *out, struct lx_err *err)
{
    char probe;
    size_t room = out->max - out->len;
    size_t want = room < CHUNK ? room : CHUNK;
    char *at = &probe;
    if (room > 0) {
        at = lx_buf_reserve(out, want, err);
        if (!at)
            return lx_wrap(err, "reading %s", path);
    }
    ssize_t got;
    do
        got = read(fd, at, want ? want : 1);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_path(err, "reading", path);
    if (got > 0 && room == 0)
        return lx_fail(err, LX_E_LIMIT, "reading %s: more than %zu bytes", path, out->max);
    if (room > 0) {
        out->len += (size_t)got;
        out->data[out->len] = '\0';
    }
    return got > 0;
}

int lx_file_read(const char *path, struct lx_buf *out, struct lx_err *err)
{
    size_t before = out->len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_path(err, "reading", path);
    int more;
    do
        more = read_some(fd, path, out, err);
    while (more > 0);
    close(fd);
    if (more < 0 && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return more;
}

int lx_file_write(const char *path, const void *data, size_t len, unsigned mode, struct lx_err *err)
{
    const char *at = data;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return fail_path(err, "writing", path);
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            int rc = fail_path(err, "writing", path);
            close(fd);
            return rc;
        }
        at += put;
        len -= (size_t)put;
    }
    return close(fd) < 0 && errno != EINTR ? fail_path(err, "writing", path) : 0;
}

static int make_dir(const char *path, mode_t mode, struct lx_err *err)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int number = errno;
    struct stat st;
    if (number == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        number = ENOTDIR;
    }
    errno = number;
    return fail_path(err, "creating directory", path);
}

int lx_mkdirs(const char *path, unsigned mode, struct lx_err *err)
{
    lx_auto(str) char *copy = lx_strdup(path);
    char *at = copy;
    for (;;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        if (!*at)
            return make_dir(copy, (mode_t)mode, err);
        *at = '\0';
        if (make_dir(copy, (mode_t)mode, err) < 0)
            return -1;
        *at = '/';
    }
}
