#include "logs/spool.h"

#include "lunexec/buf.h"
#include "lunexec/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Writes to the file are gathered to this size. */
#define WRITE_SIZE ((size_t)32 * 1024)

struct lx_spool {
    char *dir;
    int fd;           /* -1: no file */
    uint64_t in_file; /* bytes in the file; what `recent` has comes after them */
    struct lx_buf recent;
    struct lx_spool_budget *budget;
    size_t counted; /* of `recent`, in the budget */
};

struct lx_spool *lx_spool_new(const char *dir, size_t memory_max, struct lx_spool_budget *budget)
{
    struct lx_spool *spool = lx_alloc(sizeof(*spool));
    spool->dir = lx_strdup(dir);
    spool->fd = -1;
    spool->budget = budget;
    lx_buf_init(&spool->recent, memory_max);
    return spool;
}

/* Tells the budget what is in memory now. */
static void count_memory(struct lx_spool *spool)
{
    if (!spool->budget)
        return;
    spool->budget->memory_used += spool->recent.len - spool->counted;
    spool->counted = spool->recent.len;
}

void lx_spool_free(struct lx_spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    lx_buf_reset(&spool->recent);
    count_memory(spool);
    if (spool->budget)
        spool->budget->used -= spool->in_file;
    lx_buf_done(&spool->recent);
    free(spool->dir);
    free(spool);
}

uint64_t lx_spool_len(const struct lx_spool *spool)
{
    return spool->in_file + spool->recent.len;
}

bool lx_spool_in_file(const struct lx_spool *spool)
{
    return spool->fd >= 0;
}

/* For file systems that know no O_TMPFILE. */
static int open_unlinked(const char *dir)
{
    lx_auto(str) char *path = lx_strf("%s/lunexec-log-XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static int open_file(struct lx_spool *spool, struct lx_err *err)
{
    if (spool->fd >= 0)
        return 0;
    spool->fd = open(spool->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        spool->fd = open_unlinked(spool->dir);
    if (spool->fd < 0)
        return lx_fail_errno(err, errno, "a file in LUNEXEC_SPOOL_DIR, %s", spool->dir);
    return 0;
}

static int write_at(const struct lx_spool *spool, uint64_t offset, const char *data, size_t len,
                    struct lx_err *err)
{
    while (len > 0) {
        ssize_t n = pwrite(spool->fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return lx_fail_errno(err, n < 0 ? errno : EIO, "writing to LUNEXEC_SPOOL_DIR, %s",
                                 spool->dir);
        data += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Puts bytes at the end of the file. */
static int extend_file(struct lx_spool *spool, const char *data, size_t len, struct lx_err *err)
{
    struct lx_spool_budget *budget = spool->budget;
    if (budget && budget->limit > 0 &&
        (budget->used > budget->limit || len > budget->limit - budget->used))
        return lx_fail(err, LX_E_LIMIT,
                       "the logs that wait for delivery take %" PRIu64
                       " bytes of disk, and LUNEXEC_SPOOL_LIMIT is %" PRIu64,
                       budget->used, budget->limit);
    if (write_at(spool, spool->in_file, data, len, err) < 0)
        return -1;
    spool->in_file += len;
    if (budget)
        budget->used += len;
    return 0;
}

/* Moves what is in memory to the file. */
static int move_to_file(struct lx_spool *spool, struct lx_err *err)
{
    bool first = spool->fd < 0;
    if (open_file(spool, err) < 0 ||
        extend_file(spool, spool->recent.data, spool->recent.len, err) < 0)
        return -1;
    lx_buf_reset(&spool->recent);
    if (first) {
        lx_buf_done(&spool->recent);
        lx_buf_init(&spool->recent, WRITE_SIZE);
    }
    return 0;
}

/* Whether all spools together leave this one no more memory than one with a file has. */
static bool is_crowded(const struct lx_spool *spool, size_t len)
{
    const struct lx_spool_budget *budget = spool->budget;
    return spool->fd < 0 && spool->recent.len + len > WRITE_SIZE && budget &&
           budget->memory_limit > 0 && budget->memory_used + len > budget->memory_limit;
}

static int append(struct lx_spool *spool, const char *data, size_t len, struct lx_err *err)
{
    if (is_crowded(spool, len))
        (void)move_to_file(spool, NULL); /* without a file there is still its own share of memory */
    if (len > spool->recent.max - spool->recent.len && move_to_file(spool, err) < 0)
        return -1;
    if (len <= spool->recent.max - spool->recent.len)
        return lx_buf_add(&spool->recent, data, len, err);
    /* Larger than what is gathered: straight to the file, which has everything before it. */
    return extend_file(spool, data, len, err);
}

int lx_spool_append(struct lx_spool *spool, const char *data, size_t len, struct lx_err *err)
{
    int status = append(spool, data, len, err);
    count_memory(spool);
    return status;
}

ssize_t lx_spool_read(const struct lx_spool *spool, uint64_t offset, char *out, size_t size)
{
    if (offset >= spool->in_file) {
        size_t at = (size_t)(offset - spool->in_file);
        if (at >= spool->recent.len)
            return 0;
        size_t rest = spool->recent.len - at, n = rest < size ? rest : size;
        memcpy(out, spool->recent.data + at, n);
        return (ssize_t)n;
    }
    uint64_t rest = spool->in_file - offset;
    ssize_t n;
    do {
        n = pread(spool->fd, out, rest < size ? (size_t)rest : size, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? n : -1;
}
