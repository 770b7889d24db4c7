#include "job/workspace_files.h"

#include "job/shell.h"
#include "lunexec/clock.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_MAX ((size_t)64 * 1024 * 1024)

struct writer {
    const char *dir;
    int fd; /* of dir */
    struct lx_entries *entries;
    struct lx_entry *entry; /* NULL until there is something to write */
};

static int fail_at(struct lx_err *err, const char *path)
{
    return lx_fail(err, LX_E_IO, "writing %s: %s", path, strerror(errno));
}

/* Opens the directory that holds `path`, making what is missing; *ret_name is its last part. */
static int open_parent(int dir, const char *path, const char **ret_name, struct lx_err *err)
{
    int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    const char *part = path;
    for (const char *slash; fd >= 0 && (slash = strchr(part, '/')); part = slash + 1) {
        lx_auto(str) char *name = lx_strndup(part, (size_t)(slash - part));
        if (mkdirat(fd, name, 0777) < 0 && errno != EEXIST) {
            fail_at(err, path);
            close(fd);
            return -1;
        }
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    *ret_name = part;
    return fd < 0 ? fail_at(err, path) : fd;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_file(int dir, const char *path, const char *data, size_t len,
                      const struct timespec *mtime, struct lx_err *err)
{
    const char *name;
    int parent = open_parent(dir, path, &name, err);
    if (parent < 0)
        return -1;
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0777);
    close(parent);
    if (fd < 0)
        return fail_at(err, path);
    int result = 0;
    if (write_all(fd, data, len) < 0 || fchmod(fd, 0777) < 0)
        result = fail_at(err, path);
    if (result == 0 && mtime) {
        const struct timespec times[2] = {*mtime, *mtime};
        if (futimens(fd, times) < 0)
            result = fail_at(err, path);
    }
    if (close(fd) < 0 && result == 0)
        result = fail_at(err, path);
    return result;
}

static int put(struct writer *writer, const char *path, const char *data, size_t len,
               const struct timespec *mtime, struct lx_err *err)
{
    uint64_t start_ms = lx_now_ms();
    char took[LX_DURATION_SIZE];
    if (!writer->entry)
        writer->entry = lx_entry_open(writer->entries, "setup.fs.extras", NULL);
    if (write_file(writer->fd, path, data, len, mtime, err) < 0)
        return -1;
    lx_format_duration((int64_t)(lx_now_ms() - start_ms), took);
    lx_auto(str) char *line = lx_strf("Wrote %s/%s in %s\n", writer->dir, path, took);
    lx_entry_raw(writer->entry, line);
    return 0;
}

static int put_all(struct writer *writer, const struct lx_job *job, struct lx_err *err)
{
    for (size_t i = 0; i < job->n_files; i++) {
        const struct lx_job_file *file = &job->files[i];
        lx_auto(str) char *path = lx_workspace_path(file->path, err);
        if (!path || put(writer, path, file->content, file->content_len,
                         file->has_mtime ? &file->mtime : NULL, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < job->n_steps; i++) {
        __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(SCRIPT_MAX);
        lx_auto(str) char *name = lx_script_name(job, i);
        lx_auto(str) char *path = lx_strf(LX_SCRIPT_DIR "/%s", name);
        if (lx_script_text(job, i, &text, err) < 0 ||
            put(writer, path, lx_buf_str(&text), text.len, NULL, err) < 0)
            return -1;
    }
    return 0;
}

int lx_workspace_write(const char *dir, const struct lx_job *job, struct lx_entries *entries,
                       struct lx_err *err)
{
    struct writer writer = {.dir = dir, .entries = entries};
    writer.fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (writer.fd < 0)
        return fail_at(err, dir);
    int result = put_all(&writer, job, err);
    close(writer.fd);
    if (writer.entry) {
        if (result < 0 && err) {
            lx_auto(str) char *line = lx_strf("Operation failed: %s\n", err->text);
            lx_entry_raw(writer.entry, line);
        }
        lx_entry_finish(writer.entry, result < 0 ? 1 : 0);
    }
    return result;
}
