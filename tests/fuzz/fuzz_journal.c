/*
 * The journal's file. An input is a list of what happens to it: keys set and removed, compactions,
 * damage to the file by whoever else writes there, and reopening. Whatever the file holds, it
 * opens; what was not damaged is read back as it was written, and of what was damaged no value
 * appears that was never set. An input that begins with "LXJ1" is a file as it is.
 */
#include "lunexec/file.h"
#include "lunexec/journal.h"
#include "lunexec/map.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX ((size_t)1 << 24)
#define KEYS 8
#define STEPS_MAX 200

struct input {
    const uint8_t *data;
    size_t size;
};

struct model {
    const char *path;
    struct lx_journal *journal;
    int64_t value[KEYS]; /* number of the value, -1: none */
    int64_t values;      /* how many were set so far */
    bool damaged;
};

static uint8_t next_byte(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static size_t next_size(struct input *in, size_t below)
{
    size_t n = next_byte(in);
    n = n << 8 | next_byte(in);
    return below ? n % below : 0;
}

/* Keys of which some begin others, as the jobs' do. */
static void key_of(size_t i, char out[16])
{
    (void)snprintf(out, 16, "%c/%.*s", i % 2 ? 'a' : 'b', (int)(i / 2), "xyz");
}

/* A value says which it is; its length varies. */
static char *value_of(int64_t number, size_t *ret_len)
{
    char *text = lx_strf("%lld:%*s", (long long)number, (int)(number * 37 % 300), "");
    *ret_len = strlen(text);
    return text;
}

static void check_key(const struct model *model, size_t i)
{
    char key[16];
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(FILE_MAX);
    key_of(i, key);
    bool there = lx_journal_get(model->journal, key, &out, NULL) == 0;
    if (!model->damaged)
        lx_assert(there == (model->value[i] >= 0));
    if (!there)
        return;
    bool known = false;
    for (int64_t v = model->damaged ? 0 : model->value[i];
         !known && v <= (model->damaged ? model->values - 1 : model->value[i]); v++) {
        size_t len;
        lx_auto(str) char *text = value_of(v, &len);
        known = len == out.len && memcmp(text, out.data, len) == 0;
    }
    lx_assert(known);
}

static void reopen(struct model *model)
{
    struct lx_journal_report report;
    lx_journal_close(model->journal);
    model->journal = NULL;
    lx_assert(lx_journal_open(model->path, &model->journal, &report, NULL) == 0);
    lx_assert(model->damaged || (report.torn == 0 && report.damaged == 0));
    for (size_t i = 0; i < KEYS; i++)
        check_key(model, i);
}

static void put(struct model *model, size_t i)
{
    char key[16];
    size_t len;
    lx_auto(str) char *text = value_of(model->values, &len);
    key_of(i, key);
    lx_assert(lx_journal_put(model->journal, key, text, len, NULL) == 0);
    model->value[i] = model->values++;
}

static void drop(struct model *model, size_t prefix)
{
    char begin[16], key[16];
    key_of(prefix, begin);
    lx_assert(lx_journal_remove(model->journal, begin, NULL) == 0);
    for (size_t i = 0; i < KEYS; i++) {
        key_of(i, key);
        if (lx_starts_with(key, begin))
            model->value[i] = -1;
    }
}

static void damage(struct model *model, struct input *in)
{
    int fd = lx_journal_fd(model->journal);
    size_t size = (size_t)lx_journal_size(model->journal);
    size_t at = next_size(in, size + 1), n = next_byte(in) % 32u;
    uint8_t bytes[32];
    for (size_t i = 0; i < n; i++)
        bytes[i] = next_byte(in);
    if (n == 0)
        lx_assert(ftruncate(fd, (off_t)at) == 0);
    else
        lx_assert(pwrite(fd, bytes, n, (off_t)at) == (ssize_t)n);
    model->damaged = true;
    reopen(model);
}

static void step(struct model *model, struct input *in)
{
    uint8_t what = next_byte(in);
    switch (what % 8) {
    case 0:
        drop(model, next_byte(in) % KEYS);
        break;
    case 1:
        reopen(model);
        break;
    case 2:
        lx_assert(lx_journal_compact(model->journal, NULL) == 0);
        break;
    case 3:
        if (lx_journal_new_fd(model->journal) >= 0)
            lx_assert(lx_journal_swap(model->journal, NULL) == 0);
        break;
    case 4:
        damage(model, in);
        break;
    default:
        put(model, what / 8 % KEYS);
        break;
    }
    check_key(model, what / 8 % KEYS);
}

/* A file of anybody's: opens, or says why not; takes values, and has them and no other afterwards.
 */
static void raw(struct model *model, const uint8_t *data, size_t size)
{
    struct lx_journal_report report;
    char key[16];
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(FILE_MAX);
    lx_assert(lx_file_write(model->path, data, size, 0600, NULL) == 0);
    lx_assert(lx_journal_open(model->path, &model->journal, &report, NULL) == 0);
    lx_assert(report.torn <= size);
    put(model, 0);
    lx_journal_close(model->journal);
    lx_assert(lx_journal_open(model->path, &model->journal, &report, NULL) == 0);
    lx_assert(report.torn == 0);
    key_of(0, key);
    lx_assert(lx_journal_get(model->journal, key, &out, NULL) == 0);
    lx_assert(lx_starts_with(lx_buf_str(&out), "0:"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    if (!path[0])
        (void)snprintf(path, sizeof path, "/dev/shm/fuzz_journal.%d", (int)getpid());
    struct model model = {.path = path};
    struct input in = {data, size};
    for (size_t i = 0; i < KEYS; i++)
        model.value[i] = -1;
    if (size >= 4 && memcmp(data, "LXJ1", 4) == 0) {
        raw(&model, data, size);
    } else {
        lx_assert(lx_journal_open(path, &model.journal, NULL, NULL) == 0);
        for (size_t n = 0; in.size > 0 && n < STEPS_MAX; n++)
            step(&model, &in);
        reopen(&model);
    }
    lx_journal_close(model.journal);
    lx_auto(str) char *fresh = lx_strf("%s.new", path);
    (void)unlink(fresh);
    lx_assert(unlink(path) == 0);
    return 0;
}
