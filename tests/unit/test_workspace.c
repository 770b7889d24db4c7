/*
 * Files that the executor writes into a workspace that a repository was checked out in.
 */
#include "job/workspace_files.h"

#include "lunexec/file.h"
#include "lunexec/mask.h"
#include "lunexec/text.h"

#include "unit.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S(text) ((char *)(uintptr_t)(text))

struct scene {
    char dir[64], *workspace;
    struct lx_job_file file;
    struct lx_job job;
};

static int make_scene(void **state)
{
    struct scene *scene = lx_alloc(sizeof *scene);
    memcpy(scene->dir, "/tmp/lunexec-workspace-XXXXXX", 30);
    if (!mkdtemp(scene->dir))
        return -1;
    scene->workspace = lx_path_join(scene->dir, "job-1");
    *state = scene;
    return mkdir(scene->workspace, 0777);
}

static int remove_scene(void **state)
{
    struct scene *scene = *state;
    (void)lx_remove_tree(scene->dir, NULL);
    free(scene->workspace);
    free(scene);
    return 0;
}

/* Writes one file; the entry's text goes nowhere, since nothing pumps the loop. */
static int write_one(struct scene *scene, const char *path, struct lx_err *err)
{
    struct lx_loop *loop = NULL;
    scene->file = (struct lx_job_file){.path = S(path),
                                       .content = S("a\0b"),
                                       .content_len = 3,
                                       .has_mtime = true,
                                       .mtime = {.tv_sec = 1717410030, .tv_nsec = 123456789}};
    scene->job = (struct lx_job){.uid = S("1"), .files = &scene->file, .n_files = 1};
    assert_int_equal(lx_loop_new(&loop, NULL), 0);
    struct lx_executor_opts opts = {.loop = loop, .spool_dir = scene->dir};
    struct lx_spool_budget budget = {0};
    struct lx_mask *mask = NULL;
    assert_int_equal(lx_mask_new(NULL, 0, &mask, NULL, NULL), 0);
    struct lx_entries *entries = lx_entries_new(&opts, &scene->job, mask, &budget, 0, NULL);
    int result = lx_workspace_write(scene->workspace, &scene->job, entries, err);
    lx_entries_free(entries);
    lx_mask_free(mask);
    lx_loop_free(loop);
    return result;
}

static void files_are_identical(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(write_one(scene, "a/b/file", NULL), 0);
    lx_auto(str) char *path = lx_path_join(scene->workspace, "a/b/file");
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(64);
    assert_int_equal(lx_file_read(path, &text, NULL), 0);
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.data, "a\0b", 3);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0777);
    assert_int_equal(st.st_mtim.tv_sec, 1717410030);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
}

static void links_lead_nowhere(void **state)
{
    struct scene *scene = *state;
    struct lx_err err;
    lx_auto(str) char *folder = lx_path_join(scene->workspace, "folder");
    lx_auto(str) char *file = lx_path_join(scene->workspace, "file");
    lx_auto(str) char *outside = lx_path_join(scene->dir, "outside");
    assert_int_equal(symlink(scene->dir, folder), 0);
    assert_int_equal(symlink(outside, file), 0);
    assert_int_equal(write_one(scene, "folder/outside", &err), -1);
    assert_int_equal(write_one(scene, "file", &err), -1);
    assert_int_equal(access(outside, F_OK), -1);
}

static void paths_stay_inside(void **state)
{
    struct scene *scene = *state;
    struct lx_err err;
    assert_int_equal(write_one(scene, "../outside", &err), -1);
    assert_non_null(strstr(err.text, "outside of working directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_identical, make_scene, remove_scene),
        cmocka_unit_test_setup_teardown(links_lead_nowhere, make_scene, remove_scene),
        cmocka_unit_test_setup_teardown(paths_stay_inside, make_scene, remove_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
