/*
 * Reading a journal's file, whatever is in it.
 */
#include "journal_priv.h"

#include "lunexec/crc32c.h"
#include "lunexec/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 16384u

static const char magic[4] = {'L', 'X', 'J', '1'};

static void put32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void lx_journal_pack(const struct lx_journal_head *head, unsigned char out[LX_JOURNAL_HEADER])
{
    memcpy(out, magic, sizeof magic);
    out[4] = (unsigned char)head->kind;
    out[5] = 0;
    out[6] = (unsigned char)head->key_len;
    out[7] = (unsigned char)(head->key_len >> 8);
    put32(out + 8, head->value_len);
    put32(out + 12, head->body_crc);
    put32(out + 16, lx_crc32c(0, out, 16));
}

bool lx_journal_unpack(const unsigned char in[LX_JOURNAL_HEADER], struct lx_journal_head *ret)
{
    if (memcmp(in, magic, sizeof magic) != 0 || get32(in + 16) != lx_crc32c(0, in, 16) ||
        in[4] < LX_JOURNAL_PUT || in[4] > LX_JOURNAL_ERASED)
        return false;
    *ret = (struct lx_journal_head){
        .kind = (enum lx_journal_kind)in[4],
        .key_len = (uint16_t)(in[6] | in[7] << 8),
        .value_len = get32(in + 8),
        .body_crc = get32(in + 12),
    };
    return ret->key_len <= LX_JOURNAL_KEY_MAX;
}

bool lx_journal_pread(int fd, uint64_t offset, void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t n = pread(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

bool lx_journal_pwrite(int fd, uint64_t offset, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

/* ---- The index ---- */

struct lx_map *lx_journal_index_new(void)
{
    return lx_map_new(LX_JOURNAL_KEYS_MAX, free);
}

static uint64_t cost(const char *key, const struct lx_journal_place *place)
{
    return LX_JOURNAL_HEADER + strlen(key) + place->len;
}

bool lx_journal_index_set(struct lx_map *index, uint64_t *live, const char *key,
                          const struct lx_journal_place *place)
{
    struct lx_journal_place *old = lx_map_get(index, key);
    if (old) {
        *live -= cost(key, old);
        *old = *place;
    } else {
        struct lx_journal_place *copy = lx_alloc(sizeof *copy);
        *copy = *place;
        if (!lx_map_put(index, key, copy)) {
            free(copy);
            return false;
        }
    }
    *live += cost(key, place);
    return true;
}

struct matches {
    const char *prefix;
    const char **keys;
    size_t n;
};

static void match(const char *key, void *value, void *arg)
{
    struct matches *matches = arg;
    (void)value;
    if (strncmp(key, matches->prefix, strlen(matches->prefix)) == 0)
        matches->keys[matches->n++] = key;
}

void lx_journal_index_remove(struct lx_map *index, uint64_t *live, const char *prefix,
                             void (*fn)(void *arg, const struct lx_journal_place *place), void *arg)
{
    struct matches matches = {.prefix = prefix};
    matches.keys = lx_alloc_array(lx_map_count(index) + 1, sizeof *matches.keys);
    lx_map_each (index, match, &matches)
        ;
    for (size_t i = 0; i < matches.n; i++) {
        lx_auto(str) char *key = lx_strdup(matches.keys[i]);
        struct lx_journal_place *place = lx_map_remove(index, key);
        *live -= cost(key, place);
        if (fn)
            fn(arg, place);
        free(place);
    }
    free(matches.keys);
}

/* ---- Replay ---- */

struct replay {
    struct lx_journal *journal;
    struct lx_journal_report report;
    uint64_t at, end;
};

/* 1: a whole record with the right checksum, 0: not, -1: the file cannot be read. */
static int body_ok(const struct replay *replay, const struct lx_journal_head *head)
{
    unsigned char chunk[CHUNK];
    uint64_t at = replay->at + LX_JOURNAL_HEADER;
    uint64_t rest = (uint64_t)head->key_len + head->value_len;
    uint32_t crc = 0;
    while (rest > 0) {
        size_t n = rest < sizeof chunk ? (size_t)rest : sizeof chunk;
        if (!lx_journal_pread(replay->journal->fd, at, chunk, n))
            return -1;
        crc = lx_crc32c(crc, chunk, n);
        at += n;
        rest -= n;
    }
    return crc == head->body_crc;
}

static int apply(struct replay *replay, const struct lx_journal_head *head, struct lx_err *err)
{
    struct lx_journal *journal = replay->journal;
    char key[LX_JOURNAL_KEY_MAX + 1];
    if (!lx_journal_pread(journal->fd, replay->at + LX_JOURNAL_HEADER, key, head->key_len))
        return lx_fail_errno(err, errno, "reading %s", journal->path);
    key[head->key_len] = '\0';
    if (strlen(key) != head->key_len) {
        replay->report.damaged++;
        return 0;
    }
    if (head->kind == LX_JOURNAL_REMOVE) {
        lx_journal_index_remove(journal->index, &journal->live, key, NULL, NULL);
        return 0;
    }
    struct lx_journal_place place = {
        .record = replay->at,
        .value = replay->at + LX_JOURNAL_HEADER + head->key_len,
        .len = head->value_len,
    };
    if (!lx_journal_index_set(journal->index, &journal->live, key, &place))
        return lx_fail(err, LX_E_LIMIT, "%s has too many keys", journal->path);
    return 0;
}

/* The next offset after `at` where a header stands; the end if there is none. */
static uint64_t next_header(const struct replay *replay, uint64_t at)
{
    unsigned char head[LX_JOURNAL_HEADER];
    struct lx_journal_head ignored;
    for (at++; at + LX_JOURNAL_HEADER <= replay->end; at++) {
        char first;
        if (!lx_journal_pread(replay->journal->fd, at, &first, 1))
            break;
        if (first == magic[0] && lx_journal_pread(replay->journal->fd, at, head, sizeof head) &&
            lx_journal_unpack(head, &ignored))
            return at;
    }
    return replay->end;
}

/* What stands at replay->at is no record: goes on with the next one, if there is any. */
static bool skip(struct replay *replay)
{
    uint64_t next = next_header(replay, replay->at);
    if (next == replay->end) {
        replay->report.torn = replay->end - replay->at;
        return false;
    }
    replay->report.damaged++;
    replay->at = next;
    return true;
}

/* 1: goes on, 0: the end, -1: failed. */
static int step(struct replay *replay, struct lx_err *err)
{
    unsigned char bytes[LX_JOURNAL_HEADER];
    struct lx_journal_head head;
    if (replay->end - replay->at < sizeof bytes)
        return replay->end > replay->at ? skip(replay) : 0;
    if (!lx_journal_pread(replay->journal->fd, replay->at, bytes, sizeof bytes))
        return lx_fail_errno(err, errno, "reading %s", replay->journal->path);
    if (!lx_journal_unpack(bytes, &head))
        return skip(replay);
    uint64_t size = (uint64_t)LX_JOURNAL_HEADER + head.key_len + head.value_len;
    if (size > replay->end - replay->at)
        return skip(replay);
    if (head.kind != LX_JOURNAL_ERASED) {
        int ok = body_ok(replay, &head);
        if (ok < 0)
            return lx_fail_errno(err, errno, "reading %s", replay->journal->path);
        if (!ok)
            replay->report.damaged++;
        else if (apply(replay, &head, err) < 0)
            return -1;
    }
    replay->at += size;
    return 1;
}

int lx_journal_replay(struct lx_journal *journal, struct lx_journal_report *report,
                      struct lx_err *err)
{
    struct replay replay = {.journal = journal};
    struct stat st;
    if (fstat(journal->fd, &st) < 0)
        return lx_fail_errno(err, errno, "reading %s", journal->path);
    replay.end = (uint64_t)st.st_size;
    int more;
    do
        more = step(&replay, err);
    while (more > 0);
    if (more < 0)
        return -1;
    journal->size = replay.at;
    *report = replay.report;
    return 0;
}
