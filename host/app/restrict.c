#include "app/restrict.h"

#include "lunexec/file.h"
#include "lunexec/text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int lx_restrict_dumps(struct lx_err *err)
{
    static const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none))
        return lx_fail_errno(err, errno, "setrlimit RLIMIT_CORE");
#ifndef LX_INSTRUMENTED /* the leak checker reads the memory of its own process as another would   \
                         */
    if (prctl(PR_SET_DUMPABLE, 0))
        return lx_fail_errno(err, errno, "prctl PR_SET_DUMPABLE");
#endif
    return 0;
}

/* Where the system has programs, the loader of shared libraries among them, and git its parts. */
static const char *const system_dirs[] = {"/bin",   "/sbin", "/lib", "/lib32",
                                          "/lib64", "/usr",  "/opt"};

/* The directory of our own program, where the policy's is too. free(). */
static char *own_dir(void)
{
    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(exe, '/');
    return slash ? lx_strndup(exe, (size_t)(slash - exe)) : lx_strdup("");
}

static int restrict_files(const struct lx_settings *settings, const struct lx_env *env,
                          struct lx_err *err)
{
    const size_t n_system = sizeof system_dirs / sizeof *system_dirs;
    const char *search = lx_env_find(env, "PATH", NULL);
    lx_auto(strv) char **path = lx_split(search ? search : "", ':');
    lx_auto(str) char *own = own_dir();
    const char **programs = lx_alloc_array(lx_strv_len(path) + n_system + 2, sizeof *programs);
    size_t n = 0;
    for (char **dir = path; *dir; dir++) {
        if (**dir == '/')
            programs[n++] = *dir;
    }
    for (size_t i = 0; i < n_system; i++)
        programs[n++] = system_dirs[i];
    programs[n++] = own;
    const char *writable[4] = {settings->spool_dir};
    n = 1;
    if (settings->state_dir)
        writable[n++] = settings->state_dir;
    if (settings->shared_volume)
        writable[n++] = settings->workspace_dir;
    int rc = lx_restrict_files(writable, programs, err);
    free(programs);
    return rc;
}

void lx_restrict_self(const struct lx_settings *settings, const struct lx_env *env,
                      struct lx_restriction *ret)
{
    *ret = (struct lx_restriction){.wanted = settings->self_restriction};
    if (!ret->wanted)
        return;
    /* Later it could not be made; whether it can be used is told by who uses it. */
    if (settings->state_dir)
        (void)lx_mkdirs(settings->state_dir, 0700, NULL);
    (void)restrict_files(settings, env, &ret->files);
    (void)lx_restrict_calls(&ret->calls);
}

void lx_restrict_report(const struct lx_restriction *restriction, struct lx_log *log)
{
    const struct lx_err *files = &restriction->files, *calls = &restriction->calls;
    if (!restriction->wanted)
        return;
    if (files->code == LX_OK)
        lx_log(log, LX_LOG_DEBUG, "restricted to its own directories");
    else
        lx_log(log, files->code == LX_E_NOT_FOUND ? LX_LOG_DEBUG : LX_LOG_WARN,
               "not restricted to its own directories", LX_ERR(files));
    if (calls->code == LX_OK)
        lx_log(log, LX_LOG_DEBUG, "restricted in its system calls");
    else
        lx_log(log, LX_LOG_WARN, "not restricted in its system calls", LX_ERR(calls));
}
