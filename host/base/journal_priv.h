/*
 * The journal's file format: records one after another, each a header and a body of key and value.
 *
 *   0  "LXJ1"
 *   4  kind (1 byte), 0 (1 byte), length of the key (2 bytes)
 *   8  length of the value (4 bytes)
 *  12  CRC-32C of key and value
 *  16  CRC-32C of the header's first 16 bytes
 *
 * Numbers are little-endian. The header has a checksum of its own, so that a value that is damaged
 * or overwritten does not hide what follows it.
 */
#ifndef LX_BASE_JOURNAL_PRIV_H
#define LX_BASE_JOURNAL_PRIV_H

#include "lunexec/journal.h"
#include "lunexec/map.h"

#define LX_JOURNAL_HEADER 20u
/* Keys of one journal. */
#define LX_JOURNAL_KEYS_MAX ((size_t)1 << 20)

enum lx_journal_kind {
    LX_JOURNAL_PUT = 1,
    LX_JOURNAL_REMOVE = 2, /* of all keys with the prefix; no value */
    LX_JOURNAL_ERASED = 3, /* a value that was overwritten */
};

struct lx_journal_head {
    enum lx_journal_kind kind;
    uint16_t key_len;
    uint32_t value_len, body_crc;
};

/* Where a value is. */
struct lx_journal_place {
    uint64_t record; /* offset of its header */
    uint64_t value;
    uint32_t len;
};

struct lx_journal {
    char *path;
    int fd;
    uint64_t size; /* of whole records */
    uint64_t live; /* bytes of records that are valid */
    struct lx_map *index;

    int new_fd; /* -1: no compaction underway */
    uint64_t new_size;
    struct lx_map *new_index;
};

/* The bytes of a header, with its checksum. */
void lx_journal_pack(const struct lx_journal_head *head, unsigned char out[LX_JOURNAL_HEADER]);
/* false: no header of a record. */
bool lx_journal_unpack(const unsigned char in[LX_JOURNAL_HEADER], struct lx_journal_head *ret);

/* Reads all of `len` bytes; false with errno, EIO when the file ends before. */
bool lx_journal_pread(int fd, uint64_t offset, void *out, size_t len);
/* Writes all of them; false with errno, and a part may then be written. */
bool lx_journal_pwrite(int fd, uint64_t offset, const void *data, size_t len);

/* Reads the records of journal->fd into the index. LX_E_IO, LX_E_LIMIT for too many keys. */
int lx_journal_replay(struct lx_journal *journal, struct lx_journal_report *report,
                      struct lx_err *err);

/* An empty index: where the value of each key is. Freed as a map. */
struct lx_map *lx_journal_index_new(void);
/* Sets a key (the place is copied) and counts it in *live; false when there are too many. */
bool lx_journal_index_set(struct lx_map *index, uint64_t *live, const char *key,
                          const struct lx_journal_place *place);
/* Removes the keys with the prefix; calls `fn` (may be NULL) for each. */
void lx_journal_index_remove(struct lx_map *index, uint64_t *live, const char *prefix,
                             void (*fn)(void *arg, const struct lx_journal_place *place),
                             void *arg);

#endif
