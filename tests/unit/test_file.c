#include "lunexec/file.h"
#include "lunexec/mem.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dir {
    char path[64];
};

static int setup(void **state)
{
    struct dir *dir = lx_alloc(sizeof(*dir));
    memcpy(dir->path, "/tmp/test_file.XXXXXX", 22);
    assert_non_null(mkdtemp(dir->path));
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    struct dir *dir = *state;
    int rc = lx_remove_tree(dir->path, NULL);
    free(dir);
    return rc;
}

static char *in(const struct dir *dir, const char *name)
{
    return lx_strf("%s/%s", dir->path, name);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void what_is_written_is_read(void **state)
{
    lx_auto(str) char *path = in(*state, "f");
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(1u << 20);
    size_t len = 300000;
    lx_auto(str) char *data = lx_alloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(unsigned char)(i % 251);
    assert_int_equal(lx_file_write(path, data, len, 0640, NULL), 0);
    assert_int_equal(lx_buf_adds(&out, "+", NULL), 0);
    assert_int_equal(lx_file_read(path, &out, NULL), 0);
    assert_int_equal(out.len, len + 1);
    assert_memory_equal(out.data + 1, data, len);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07737, 0600); /* what any umask leaves */
    assert_int_equal(lx_file_write(path, "short", 5, 0640, NULL), 0);
    lx_buf_reset(&out);
    assert_int_equal(lx_file_read(path, &out, NULL), 0);
    assert_string_equal(lx_buf_str(&out), "short");
}

static void a_file_may_have_just_the_maximum(void **state)
{
    lx_auto(str) char *path = in(*state, "f");
    struct lx_err err = {0};
    assert_int_equal(lx_file_write(path, "0123456789", 10, 0600, NULL), 0);
    lx_auto(buf) struct lx_buf fits = LX_BUF_INIT(10), small = LX_BUF_INIT(9);
    assert_int_equal(lx_file_read(path, &fits, NULL), 0);
    assert_string_equal(lx_buf_str(&fits), "0123456789");
    assert_int_equal(lx_file_read(path, &small, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_non_null(strstr(err.text, path));
    assert_string_equal(lx_buf_str(&small), "");
    lx_auto(buf) struct lx_buf none = LX_BUF_INIT(0);
    assert_int_equal(lx_file_read("/dev/null", &none, NULL), 0);
    assert_int_equal(lx_file_read(path, &none, NULL), -1);
}

static void what_is_not_there_is_not_found(void **state)
{
    lx_auto(str) char *path = in(*state, "absent/file");
    struct lx_err err = {0};
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(10);
    assert_int_equal(lx_file_read(path, &out, &err), -1);
    assert_int_equal(err.code, LX_E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(lx_file_write(path, "x", 1, 0600, &err), -1);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(lx_file_read(((struct dir *)*state)->path, &out, &err), -1);
    assert_int_equal(err.code, LX_E_IO);
}

static void directories_are_made_with_their_parents(void **state)
{
    lx_auto(str) char *deep = in(*state, "a//b/c/");
    lx_auto(str) char *file = in(*state, "file");
    lx_auto(str) char *below = in(*state, "file/x");
    struct lx_err err = {0};
    assert_int_equal(lx_mkdirs(deep, 0755, NULL), 0);
    assert_int_equal(lx_mkdirs(deep, 0755, NULL), 0);
    assert_true(exists(deep));
    assert_int_equal(lx_mkdirs("/", 0755, NULL), 0);
    assert_int_equal(lx_file_write(file, "x", 1, 0600, NULL), 0);
    assert_int_equal(lx_mkdirs(file, 0755, &err), -1);
    assert_non_null(strstr(err.text, file));
    assert_int_equal(lx_mkdirs(below, 0755, &err), -1);
    assert_int_equal(lx_mkdirs("", 0755, &err), -1);
}

static void a_tree_is_removed_and_links_are_not_followed(void **state)
{
    lx_auto(str) char *outside = in(*state, "outside");
    lx_auto(str) char *kept = in(*state, "outside/kept");
    lx_auto(str) char *tree = in(*state, "tree");
    lx_auto(str) char *sub = in(*state, "tree/a/b/c");
    lx_auto(str) char *file = in(*state, "tree/a/b/file");
    lx_auto(str) char *link_to_dir = in(*state, "tree/a/link");
    lx_auto(str) char *dangling = in(*state, "tree/dangling");
    assert_int_equal(lx_mkdirs(outside, 0755, NULL), 0);
    assert_int_equal(lx_file_write(kept, "x", 1, 0600, NULL), 0);
    assert_int_equal(lx_mkdirs(sub, 0755, NULL), 0);
    assert_int_equal(lx_file_write(file, "x", 1, 0000, NULL), 0);
    assert_int_equal(symlink(outside, link_to_dir), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_int_equal(lx_remove_tree(tree, NULL), 0);
    assert_false(exists(tree));
    assert_true(exists(kept));
    assert_int_equal(lx_remove_tree(tree, NULL), 0);
}

static void a_link_or_file_given_as_the_tree_is_only_unlinked(void **state)
{
    lx_auto(str) char *outside = in(*state, "outside");
    lx_auto(str) char *kept = in(*state, "outside/kept");
    lx_auto(str) char *link = in(*state, "link");
    assert_int_equal(lx_mkdirs(outside, 0755, NULL), 0);
    assert_int_equal(lx_file_write(kept, "x", 1, 0600, NULL), 0);
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(lx_remove_tree(link, NULL), 0);
    assert_false(exists(link));
    assert_true(exists(kept));
    assert_int_equal(lx_remove_tree(kept, NULL), 0);
    assert_false(exists(kept));
}

/* Directories with write-protected ones between, as a module cache has. */
static void a_tree_without_write_permission_is_removed(void **state)
{
    lx_auto(str) char *tree = in(*state, "tree");
    lx_auto(str) char *middle = in(*state, "tree/locked");
    lx_auto(str) char *inner = in(*state, "tree/locked/inner");
    lx_auto(str) char *file = in(*state, "tree/locked/inner/file");
    assert_int_equal(lx_mkdirs(inner, 0755, NULL), 0);
    assert_int_equal(lx_file_write(file, "x", 1, 0400, NULL), 0);
    assert_int_equal(chmod(inner, 0500), 0);
    assert_int_equal(chmod(middle, 0000), 0);
    assert_int_equal(chmod(tree, 0500), 0);
    struct lx_err err = {0};
    if (lx_remove_tree(tree, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(exists(tree));
}

static void no_depth_is_too_deep(void **state)
{
    lx_auto(str) char *tree = in(*state, "tree");
    assert_int_equal(mkdir(tree, 0755), 0);
    int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 1200; i++) { /* more than the usual limit of open files */
        assert_int_equal(mkdirat(fd, "directory", 0755), 0);
        assert_int_equal(mkdirat(fd, "beside", 0755), 0);
        int next = openat(fd, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(lx_remove_tree(tree, NULL), 0);
    assert_false(exists(tree));
}

static void names_that_the_removal_itself_uses_are_no_trouble(void **state)
{
    lx_auto(str) char *tree = in(*state, "tree");
    for (int i = 0; i < 5; i++) {
        lx_auto(str) char *taken = lx_strf("%s/.lx-%d/d/e", tree, i);
        lx_auto(str) char *file = lx_strf("%s/.lx-%d", tree, i + 5);
        lx_auto(str) char *other = lx_strf("%s/x/y/z-%d/w", tree, i);
        assert_int_equal(lx_mkdirs(taken, 0755, NULL), 0);
        assert_int_equal(lx_mkdirs(other, 0755, NULL), 0);
        assert_int_equal(lx_file_write(file, "x", 1, 0600, NULL), 0);
    }
    struct lx_err err = {0};
    if (lx_remove_tree(tree, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(exists(tree));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(a_file_may_have_just_the_maximum),
        TEST(what_is_not_there_is_not_found),
        TEST(directories_are_made_with_their_parents),
        TEST(a_tree_is_removed_and_links_are_not_followed),
        TEST(a_link_or_file_given_as_the_tree_is_only_unlinked),
        TEST(a_tree_without_write_permission_is_removed),
        TEST(no_depth_is_too_deep),
        TEST(names_that_the_removal_itself_uses_are_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
