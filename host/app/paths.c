#include "app/paths.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int lx_app_data_dir(char **ret_path, struct lx_err *err)
{
    static const char *const places[] = {"../share/lunexec", "../..", "."};
    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (len < 0)
        return lx_fail_errno(err, errno, "cannot find the program's own file");
    exe[len] = '\0';
    *strrchr(exe, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        lx_auto(str) char *dir = lx_path_join(exe, places[i]);
        lx_auto(str) char *policy = lx_path_join(dir, "scripts/policy.lua");
        if (access(policy, R_OK) == 0) {
            *ret_path = lx_take(dir);
            return 0;
        }
    }
    return lx_fail(err, LX_E_NOT_FOUND,
                   "the bundled scripts are missing: there is no scripts/policy.lua in "
                   "../share/lunexec, ../.. or . of %s; set LUNEXEC_POLICY_DIR and "
                   "LUNEXEC_LIBRARY_DIR",
                   exe);
}
