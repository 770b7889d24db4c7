/*
 * For tests: a folder for a policy, and one for a library, that go when the test ends.
 */
#ifndef LX_TEST_POLICY_DIR_H
#define LX_TEST_POLICY_DIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/policy.h"

struct policy_dir {
    char root[32];
    char *policy, *library;
};

static inline void dir_write(const struct policy_dir *dir, const char *path, const char *text)
{
    char *full = lx_strf("%s/%s", dir->root, path);
    struct lx_err err;
    if (lx_file_write(full, text, strlen(text), 0600, &err))
        fail_msg("%s", err.text);
    free(full);
}

static inline void dir_init(struct policy_dir *dir)
{
    memcpy(dir->root, "/tmp/lx-policy-XXXXXX", sizeof "/tmp/lx-policy-XXXXXX");
    assert_non_null(mkdtemp(dir->root));
    dir->policy = lx_strf("%s/policy", dir->root);
    dir->library = lx_strf("%s/lua", dir->root);
    char *lunexec = lx_strf("%s/lunexec", dir->library);
    assert_int_equal(lx_mkdirs(dir->policy, 0700, NULL), 0);
    assert_int_equal(lx_mkdirs(lunexec, 0700, NULL), 0);
    free(lunexec);
}

static inline void dir_done(struct policy_dir *dir)
{
    lx_remove_tree(dir->root, NULL);
    free(dir->policy);
    free(dir->library);
}

static inline struct lx_bundle *dir_load(const struct policy_dir *dir)
{
    struct lx_bundle *bundle = NULL;
    struct lx_err err;
    if (lx_bundle_load(dir->policy, NULL, dir->library, &bundle, &err))
        fail_msg("%s", err.text);
    return bundle;
}

#endif
