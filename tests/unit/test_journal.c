#include "lunexec/crc32c.h"
#include "lunexec/file.h"
#include "lunexec/journal.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)8 << 20)
#define KEYS_MAX (1u << 20)

struct place {
    char dir[64];
    char *path;
    struct lx_journal *journal;
    struct lx_journal_report report;
};

static void reopen(struct place *place)
{
    struct lx_err err;
    lx_journal_close(place->journal);
    place->journal = NULL;
    if (lx_journal_open(place->path, &place->journal, &place->report, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    struct place *place = lx_alloc(sizeof *place);
    memcpy(place->dir, "/tmp/test_journal.XXXXXX", 25);
    assert_non_null(mkdtemp(place->dir));
    place->path = lx_strf("%s/journal", place->dir);
    reopen(place);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    lx_journal_close(place->journal);
    int rc = lx_remove_tree(place->dir, NULL);
    free(place->path);
    free(place);
    return rc;
}

static void put(struct place *place, const char *key, const char *value)
{
    assert_int_equal(lx_journal_put(place->journal, key, value, strlen(value), NULL), 0);
}

static void note(void *arg, const char *key)
{
    assert_int_equal(lx_buf_addf(arg, NULL, "%s ", key), 0);
}

static void expect_keys(struct place *place, const char *prefix, const char *keys)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(65536);
    lx_journal_each(place->journal, prefix, note, &out);
    assert_string_equal(lx_buf_str(&out), keys);
}

static void expect(struct place *place, const char *key, const char *value)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(65536);
    int rc = lx_journal_get(place->journal, key, &out, NULL);
    assert_int_equal(rc, value ? 0 : -1);
    if (value)
        assert_string_equal(lx_buf_str(&out), value);
}

static void the_checksum_is_castagnolis(void **state)
{
    (void)state;
    assert_int_equal(lx_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(lx_crc32c(lx_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void what_was_put_is_there_after_opening_again(void **state)
{
    struct place *place = *state;
    struct stat st;
    put(place, "1/a", "one");
    put(place, "2/a", "two");
    put(place, "1/a", "three");
    put(place, "1/empty", "");
    reopen(place);
    expect(place, "1/a", "three");
    expect(place, "1/empty", "");
    expect_keys(place, "1/", "1/a 1/empty ");
    expect_keys(place, "", "1/a 2/a 1/empty ");
    assert_int_equal(place->report.torn + place->report.damaged, 0);
    assert_int_equal(stat(place->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void what_is_removed_is_gone_from_the_file_too(void **state)
{
    struct place *place = *state;
    lx_auto(buf) struct lx_buf bytes = LX_BUF_INIT(FILE_MAX);
    put(place, "1/a", "a-secret-token");
    put(place, "11/a", "kept");
    assert_int_equal(lx_journal_remove(place->journal, "1/", NULL), 0);
    expect_keys(place, "", "11/a ");
    assert_int_equal(lx_file_read(place->path, &bytes, NULL), 0);
    assert_null(memmem(bytes.data, bytes.len, "a-secret-token", 14));
    reopen(place);
    expect_keys(place, "", "11/a ");
    assert_int_equal(place->report.damaged, 0);
    assert_int_equal(lx_journal_remove(place->journal, "11/", NULL), 0);
    assert_int_equal(lx_journal_size(place->journal), 0);
}

/* A sequence of changes, and what is to be seen after each. */
static size_t change(struct place *place, size_t i)
{
    static const char *const values[] = {"first", "second value, longer", "", "third"};
    lx_auto(str) char *key = lx_strf("%zu/k", i % 3);
    if (i == 5)
        assert_int_equal(lx_journal_remove(place->journal, "1/", NULL), 0);
    else
        put(place, key, values[i % 4]);
    return (size_t)lx_journal_size(place->journal);
}

static char *picture(struct place *place)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(65536);
    for (size_t i = 0; i < 3; i++) {
        lx_auto(str) char *key = lx_strf("%zu/k", i);
        lx_buf_addf(&out, NULL, "[");
        if (lx_journal_get(place->journal, key, &out, NULL) < 0)
            lx_buf_addf(&out, NULL, "-");
        lx_buf_addf(&out, NULL, "]");
    }
    return lx_buf_take(&out);
}

#define CHANGES 9u

static void cut_at_any_byte_it_is_as_it_was_before(void **state)
{
    struct place *place = *state;
    size_t ends[CHANGES + 1] = {0};
    char *pictures[CHANGES + 1];
    pictures[0] = picture(place);
    for (size_t i = 0; i < CHANGES; i++) {
        ends[i + 1] = change(place, i);
        pictures[i + 1] = picture(place);
    }
    lx_auto(buf) struct lx_buf bytes = LX_BUF_INIT(FILE_MAX);
    assert_int_equal(lx_file_read(place->path, &bytes, NULL), 0);
    assert_int_equal(bytes.len, ends[CHANGES]);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        size_t whole = CHANGES;
        while (ends[whole] > cut)
            whole--;
        assert_int_equal(lx_file_write(place->path, bytes.data, cut, 0600, NULL), 0);
        reopen(place);
        lx_auto(str) char *now = picture(place);
        /* A removal overwrites values, which a cut before it does not bring back. */
        if (whole <= 1 || whole > 5)
            assert_string_equal(now, pictures[whole]);
        assert_int_equal(place->report.torn, cut - ends[whole]);
        put(place, "9/after", "goes on");
        reopen(place);
        expect(place, "9/after", "goes on");
        assert_int_equal(place->report.torn, 0);
    }
    for (size_t i = 0; i <= CHANGES; i++)
        free(pictures[i]);
}

static void a_damaged_byte_costs_one_record_at_most(void **state)
{
    struct place *place = *state;
    lx_auto(buf) struct lx_buf bytes = LX_BUF_INIT(FILE_MAX);
    put(place, "a", "one");
    put(place, "b", "two");
    put(place, "c", "three");
    assert_int_equal(lx_file_read(place->path, &bytes, NULL), 0);
    size_t third = bytes.len / 3;
    for (size_t at = 0; at < bytes.len; at++) {
        bytes.data[at] ^= 0x20;
        assert_int_equal(lx_file_write(place->path, bytes.data, bytes.len, 0600, NULL), 0);
        bytes.data[at] ^= 0x20;
        reopen(place);
        lx_auto(buf) struct lx_buf keys = LX_BUF_INIT(64);
        lx_journal_each(place->journal, "", note, &keys);
        assert_int_equal(keys.len, 4);
        if (at < third)
            assert_string_equal(lx_buf_str(&keys), "b c ");
        assert_true(place->report.damaged == 1 || place->report.torn > 0);
    }
}

static void a_file_that_is_no_journal_is_empty(void **state)
{
    struct place *place = *state;
    assert_int_equal(lx_file_write(place->path, "LXJ1 is not enough of it", 24, 0600, NULL), 0);
    reopen(place);
    assert_int_equal(place->report.torn, 24);
    expect_keys(place, "", "");
}

static void a_full_disk_loses_nothing(void **state)
{
    struct place *place = *state;
    struct rlimit old, small = {0};
    struct lx_err err;
    put(place, "a", "one");
    put(place, "b", "two");
    uint64_t size = lx_journal_size(place->journal);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = size + 30;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = lx_journal_put(place->journal, "a", "a value that does not fit", 25, &err);
    int compacted = lx_journal_compact(place->journal, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, LX_E_IO);
    assert_int_equal(compacted, 0);
    assert_int_equal(lx_journal_size(place->journal), size);
    expect(place, "a", "one");
    put(place, "c", "three");
    reopen(place);
    assert_int_equal(place->report.torn + place->report.damaged, 0);
    expect_keys(place, "", "a b c ");
    expect(place, "a", "one");
}

static void a_key_too_many_is_not_written(void **state)
{
    struct place *place = *state;
    struct lx_err err;
    char key[16];
    int rc = 0;
    for (unsigned n = 0; rc == 0 && n < 2 * KEYS_MAX; n++) {
        (void)snprintf(key, sizeof key, "%x", n);
        rc = lx_journal_put(place->journal, key, "", 0, &err);
    }
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_string_equal(key, "100000");
    put(place, "0", "a key that is there");
    reopen(place);
    expect(place, "0", "a key that is there");
    expect(place, key, NULL);
}

static void fill(struct place *place)
{
    lx_auto(str) char *large = lx_alloc(100001);
    memset(large, 'x', 100000);
    put(place, "keep", "this");
    for (int i = 0; i < 20; i++)
        put(place, "large", large);
    put(place, "large", "small");
}

static void compaction_keeps_what_is_valid(void **state)
{
    struct place *place = *state;
    fill(place);
    assert_true(lx_journal_is_sparse(place->journal));
    assert_int_equal(lx_journal_compact(place->journal, NULL), 0);
    put(place, "meanwhile", "added");
    put(place, "keep", "that");
    put(place, "gone/1", "a-secret-token");
    assert_int_equal(lx_journal_remove(place->journal, "gone/", NULL), 0);
    assert_true(lx_journal_new_fd(place->journal) >= 0);
    assert_int_equal(lx_journal_swap(place->journal, NULL), 0);
    assert_true(lx_journal_size(place->journal) < 1000);
    assert_false(lx_journal_is_sparse(place->journal));
    put(place, "after", "too");
    reopen(place);
    expect_keys(place, "", "keep large meanwhile after ");
    expect(place, "keep", "that");
    expect(place, "large", "small");
    lx_auto(buf) struct lx_buf bytes = LX_BUF_INIT(FILE_MAX);
    assert_int_equal(lx_file_read(place->path, &bytes, NULL), 0);
    assert_null(memmem(bytes.data, bytes.len, "a-secret-token", 14));
}

/* Killed before the swap: the old file has everything. */
static void a_compaction_that_was_cut_changes_nothing(void **state)
{
    struct place *place = *state;
    fill(place);
    assert_int_equal(lx_journal_compact(place->journal, NULL), 0);
    put(place, "meanwhile", "added");
    lx_auto(str) char *copy = lx_strf("%s/copy", place->dir);
    lx_auto(str) char *half = lx_strf("%s/copy.new", place->dir);
    lx_auto(buf) struct lx_buf bytes = LX_BUF_INIT(FILE_MAX);
    assert_int_equal(lx_file_read(place->path, &bytes, NULL), 0);
    assert_int_equal(lx_file_write(copy, bytes.data, bytes.len, 0600, NULL), 0);
    assert_int_equal(lx_file_write(half, "LXJ1 half of a file", 19, 0600, NULL), 0);
    free(place->path);
    place->path = lx_take(copy);
    reopen(place);
    expect_keys(place, "", "keep large meanwhile ");
    assert_int_equal(lx_journal_compact(place->journal, NULL), 0);
    assert_int_equal(lx_journal_swap(place->journal, NULL), 0);
    reopen(place);
    expect_keys(place, "", "keep large meanwhile ");
}

static void a_compaction_that_fails_changes_nothing(void **state)
{
    struct place *place = *state;
    struct rlimit old, small;
    struct lx_err err = {0};
    lx_auto(str) char *new = lx_strf("%s.new", place->path);
    fill(place);
    assert_int_equal(lx_journal_swap(place->journal, NULL), -1); /* of nothing */

    assert_int_equal(mkdir(new, 0700), 0);
    assert_int_equal(lx_journal_compact(place->journal, &err), -1);
    assert_non_null(strstr(err.text, new));
    assert_int_equal(rmdir(new), 0);

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 20, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = lx_journal_compact(place->journal, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, -1);
    assert_non_null(strstr(err.text, "File too large"));

    assert_int_equal(lx_journal_compact(place->journal, NULL), 0);
    put(place, "meanwhile", "added");
    assert_int_equal(unlink(new), 0);
    assert_int_equal(lx_journal_swap(place->journal, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));

    put(place, "after", "too");
    expect(place, "large", "small");
    reopen(place);
    assert_int_equal(place->report.torn + place->report.damaged, 0);
    expect_keys(place, "", "keep large meanwhile after ");
}

static void what_is_too_long_is_refused(void **state)
{
    struct place *place = *state;
    struct lx_err err = {0};
    lx_auto(buf) struct lx_buf small = LX_BUF_INIT(4);
    char key[LX_JOURNAL_KEY_MAX + 2] = {0};
    memset(key, 'k', sizeof key - 1);
    put(place, "a", "longer than four");
    assert_int_equal(lx_journal_put(place->journal, key, "x", 1, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_int_equal(lx_journal_remove(place->journal, key, NULL), -1);
    assert_int_equal(lx_journal_get(place->journal, "a", &small, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    key[LX_JOURNAL_KEY_MAX] = 0;
    put(place, key, "fits");
    reopen(place);
    expect(place, key, "fits");
    expect(place, "a", "longer than four");
}

static void a_link_in_its_place_is_refused(void **state)
{
    struct place *place = *state;
    lx_auto(str) char *path = lx_strf("%s/link", place->dir);
    struct lx_journal *other = NULL;
    assert_int_equal(symlink(place->path, path), 0);
    assert_int_equal(lx_journal_open(path, &other, NULL, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_castagnolis),
        cmocka_unit_test_setup_teardown(what_was_put_is_there_after_opening_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_removed_is_gone_from_the_file_too, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_at_any_byte_it_is_as_it_was_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_byte_costs_one_record_at_most, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_journal_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_too_many_is_not_written, setup, teardown),
        cmocka_unit_test_setup_teardown(compaction_keeps_what_is_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(a_compaction_that_was_cut_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_compaction_that_fails_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_in_its_place_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
