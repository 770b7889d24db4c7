#include "lunexec/journal.h"

#include "journal_priv.h"
#include "lunexec/crc32c.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file is worth compacting from this size on, when this many times what is valid. */
#define SPARSE_MIN ((uint64_t)1024 * 1024)
#define SPARSE_FACTOR 3
#define COPY 65536u
static const char zeros[4096];

static int open_file(const char *path, int flags, struct lx_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd >= 0 && fchmod(fd, 0600) < 0) {
        int number = errno;
        close(fd);
        errno = number;
        fd = -1;
    }
    return fd >= 0 ? fd : lx_fail_errno(err, errno, "opening %s", path);
}

int lx_journal_open(const char *path, struct lx_journal **ret_journal,
                    struct lx_journal_report *ret_report, struct lx_err *err)
{
    struct lx_journal_report report = {0};
    struct lx_journal *journal = lx_alloc(sizeof *journal);
    journal->path = lx_strdup(path);
    journal->index = lx_journal_index_new();
    journal->new_fd = -1;
    journal->fd = open_file(path, 0, err);
    if (journal->fd < 0 || lx_journal_replay(journal, &report, err) < 0) {
        lx_journal_close(journal);
        return -1;
    }
    if (report.torn > 0 && ftruncate(journal->fd, (off_t)journal->size) < 0) {
        lx_fail_errno(err, errno, "cutting %s", path);
        lx_journal_close(journal);
        return -1;
    }
    if (ret_report)
        *ret_report = report;
    *ret_journal = journal;
    return 0;
}

static void drop_new(struct lx_journal *journal)
{
    if (journal->new_fd < 0)
        return;
    lx_auto(str) char *path = lx_strf("%s.new", journal->path);
    close(journal->new_fd);
    (void)unlink(path);
    journal->new_fd = -1;
    lx_map_free(lx_take(journal->new_index));
}

void lx_journal_close(struct lx_journal *journal)
{
    if (!journal)
        return;
    drop_new(journal);
    if (journal->fd >= 0)
        close(journal->fd);
    lx_map_free(journal->index);
    free(journal->path);
    free(journal);
}

/* ---- Writing ---- */

static bool write_record(int fd, uint64_t at, const struct lx_journal_head *head, const char *key,
                         const void *data)
{
    unsigned char bytes[LX_JOURNAL_HEADER + LX_JOURNAL_KEY_MAX];
    lx_journal_pack(head, bytes);
    memcpy(bytes + LX_JOURNAL_HEADER, key, head->key_len);
    size_t front = LX_JOURNAL_HEADER + (size_t)head->key_len;
    return lx_journal_pwrite(fd, at, bytes, front) &&
           lx_journal_pwrite(fd, at + front, data, head->value_len);
}

static struct lx_journal_place place_of(uint64_t at, const struct lx_journal_head *head)
{
    return (struct lx_journal_place){
        .record = at,
        .value = at + LX_JOURNAL_HEADER + head->key_len,
        .len = head->value_len,
    };
}

/* Overwrites a value; that it cannot be is no reason to fail. */
static void erase(void *arg, const struct lx_journal_place *place)
{
    int fd = *(const int *)arg;
    unsigned char bytes[LX_JOURNAL_HEADER];
    struct lx_journal_head head;
    uint64_t at = place->value, end = place->value + place->len;
    if (!lx_journal_pread(fd, place->record, bytes, sizeof bytes) ||
        !lx_journal_unpack(bytes, &head))
        return;
    head.kind = LX_JOURNAL_ERASED;
    lx_journal_pack(&head, bytes);
    (void)lx_journal_pwrite(fd, place->record, bytes, sizeof bytes);
    while (at < end) {
        size_t n = end - at < sizeof zeros ? (size_t)(end - at) : sizeof zeros;
        if (!lx_journal_pwrite(fd, at, zeros, n))
            return;
        at += n;
    }
}

/* The new file of a compaction takes the record too; if it cannot, the compaction is given up. */
static void append_new(struct lx_journal *journal, const struct lx_journal_head *head,
                       const char *key, const void *data)
{
    uint64_t ignored = 0;
    struct lx_journal_place place = place_of(journal->new_size, head);
    if (journal->new_fd < 0)
        return;
    if (!write_record(journal->new_fd, journal->new_size, head, key, data)) {
        drop_new(journal);
        return;
    }
    journal->new_size += place.value + place.len - place.record;
    if (head->kind == LX_JOURNAL_REMOVE)
        lx_journal_index_remove(journal->new_index, &ignored, key, erase, &journal->new_fd);
    else
        (void)lx_journal_index_set(journal->new_index, &ignored, key, &place);
}

static int append(struct lx_journal *journal, const struct lx_journal_head *head, const char *key,
                  const void *data, struct lx_err *err)
{
    if (!write_record(journal->fd, journal->size, head, key, data)) {
        int number = errno;
        if (ftruncate(journal->fd, (off_t)journal->size) < 0)
            errno = number; /* the next record is written over what is left of this one */
        return lx_fail_errno(err, number, "writing %s", journal->path);
    }
    append_new(journal, head, key, data);
    journal->size += LX_JOURNAL_HEADER + (uint64_t)head->key_len + head->value_len;
    return 0;
}

static int check_key(const char *key, struct lx_err *err)
{
    if (strlen(key) > LX_JOURNAL_KEY_MAX)
        return lx_fail(err, LX_E_LIMIT, "a journal key has more than %u bytes", LX_JOURNAL_KEY_MAX);
    return 0;
}

static struct lx_journal_head head_of(enum lx_journal_kind kind, const char *key, const void *data,
                                      size_t len)
{
    size_t key_len = strlen(key);
    return (struct lx_journal_head){
        .kind = kind,
        .key_len = (uint16_t)key_len,
        .value_len = (uint32_t)len,
        .body_crc = lx_crc32c(lx_crc32c(0, key, key_len), data, len),
    };
}

int lx_journal_put(struct lx_journal *journal, const char *key, const void *data, size_t len,
                   struct lx_err *err)
{
    if (check_key(key, err) < 0)
        return -1;
    if (len > UINT32_MAX)
        return lx_fail(err, LX_E_LIMIT, "a journal value has more than 4 GiB");
    /* A record of one key too many would keep the file from being opened again. */
    if (lx_map_count(journal->index) >= LX_JOURNAL_KEYS_MAX && !lx_map_get(journal->index, key))
        return lx_fail(err, LX_E_LIMIT, "%s has too many keys", journal->path);
    struct lx_journal_head head = head_of(LX_JOURNAL_PUT, key, data, len);
    struct lx_journal_place place = place_of(journal->size, &head);
    if (append(journal, &head, key, data, err) < 0)
        return -1;
    bool set = lx_journal_index_set(journal->index, &journal->live, key, &place);
    lx_assert(set);
    return 0;
}

static void count(void *arg, const char *key)
{
    (void)key;
    ++*(size_t *)arg;
}

/* An empty file says that nothing is valid, which needs no room on the disk. */
static bool empty(struct lx_journal *journal)
{
    uint64_t ignored = 0;
    if (ftruncate(journal->fd, 0) < 0)
        return false;
    drop_new(journal);
    lx_journal_index_remove(journal->index, &ignored, "", NULL, NULL);
    journal->size = journal->live = 0;
    return true;
}

int lx_journal_remove(struct lx_journal *journal, const char *prefix, struct lx_err *err)
{
    size_t n = 0;
    if (check_key(prefix, err) < 0)
        return -1;
    lx_journal_each(journal, prefix, count, &n);
    if (n == lx_map_count(journal->index) && empty(journal))
        return 0;
    struct lx_journal_head head = head_of(LX_JOURNAL_REMOVE, prefix, "", 0);
    if (append(journal, &head, prefix, "", err) < 0)
        return -1;
    lx_journal_index_remove(journal->index, &journal->live, prefix, erase, &journal->fd);
    return 0;
}

/* ---- Reading ---- */

int lx_journal_get(const struct lx_journal *journal, const char *key, struct lx_buf *out,
                   struct lx_err *err)
{
    const struct lx_journal_place *place = lx_map_get(journal->index, key);
    if (!place)
        return lx_fail(err, LX_E_NOT_FOUND, "%s has no %s", journal->path, key);
    char *at = lx_buf_reserve(out, place->len, err);
    if (!at)
        return lx_wrap(err, "%s: %s", journal->path, key);
    if (!lx_journal_pread(journal->fd, place->value, at, place->len))
        return lx_fail_errno(err, errno, "reading %s", journal->path);
    out->len += place->len;
    out->data[out->len] = '\0';
    return 0;
}

struct walk {
    const char *prefix;
    void (*fn)(void *arg, const char *key);
    void *arg;
};

static void visit(const char *key, void *value, void *arg)
{
    const struct walk *walk = arg;
    (void)value;
    if (lx_starts_with(key, walk->prefix))
        walk->fn(walk->arg, key);
}

void lx_journal_each(const struct lx_journal *journal, const char *prefix,
                     void (*fn)(void *arg, const char *key), void *arg)
{
    struct walk walk = {prefix, fn, arg};
    lx_map_each (journal->index, visit, &walk)
        ;
}

bool lx_journal_is_gone(const struct lx_journal *journal)
{
    struct stat named, open;
    return fstat(journal->fd, &open) < 0 || stat(journal->path, &named) < 0 ||
           named.st_ino != open.st_ino || named.st_dev != open.st_dev;
}

int lx_journal_fd(const struct lx_journal *journal)
{
    return journal->fd;
}

uint64_t lx_journal_size(const struct lx_journal *journal)
{
    return journal->size;
}

/* ---- Compaction ---- */

bool lx_journal_is_sparse(const struct lx_journal *journal)
{
    return journal->size >= SPARSE_MIN && journal->size / SPARSE_FACTOR > journal->live;
}

int lx_journal_new_fd(const struct lx_journal *journal)
{
    return journal->new_fd;
}

struct copy {
    struct lx_journal *journal;
    bool failed;
};

/* A record goes over as it is. */
static void copy_record(const char *key, void *value, void *arg)
{
    struct copy *copy = arg;
    struct lx_journal *journal = copy->journal;
    const struct lx_journal_place *old = value;
    char chunk[COPY];
    uint64_t from = old->record, end = old->value + old->len, ignored = 0;
    struct lx_journal_place place = {
        .record = journal->new_size,
        .value = journal->new_size + (old->value - old->record),
        .len = old->len,
    };
    while (!copy->failed && from < end) {
        size_t n = end - from < sizeof chunk ? (size_t)(end - from) : sizeof chunk;
        copy->failed = !lx_journal_pread(journal->fd, from, chunk, n) ||
                       !lx_journal_pwrite(journal->new_fd, journal->new_size, chunk, n);
        from += n;
        journal->new_size += n;
    }
    if (!copy->failed)
        (void)lx_journal_index_set(journal->new_index, &ignored, key, &place);
}

int lx_journal_compact(struct lx_journal *journal, struct lx_err *err)
{
    lx_auto(str) char *path = lx_strf("%s.new", journal->path);
    drop_new(journal);
    journal->new_fd = open_file(path, O_TRUNC, err);
    if (journal->new_fd < 0)
        return -1;
    journal->new_size = 0;
    journal->new_index = lx_journal_index_new();
    struct copy copy = {.journal = journal};
    lx_map_each (journal->index, copy_record, &copy)
        ;
    if (!copy.failed)
        return 0;
    int number = errno;
    drop_new(journal);
    return lx_fail_errno(err, number, "writing %s", path);
}

/* A rename is durable once its directory is. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    lx_auto(str) char *dir = slash ? lx_strndup(path, (size_t)(slash - path) + 1) : lx_strdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int lx_journal_swap(struct lx_journal *journal, struct lx_err *err)
{
    lx_auto(str) char *path = lx_strf("%s.new", journal->path);
    if (journal->new_fd < 0)
        return lx_fail(err, LX_E_INVALID, "%s is not there", path);
    if (rename(path, journal->path) < 0) {
        int number = errno;
        drop_new(journal);
        return lx_fail_errno(err, number, "renaming %s", path);
    }
    sync_directory(journal->path);
    close(journal->fd);
    lx_map_free(journal->index);
    journal->fd = journal->new_fd;
    journal->size = journal->new_size;
    journal->index = lx_take(journal->new_index);
    journal->new_fd = -1;
    return 0;
}
