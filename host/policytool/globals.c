#include "tool.h"

#include "lunexec/file.h"
#include "lunexec/text.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define SCRIPT_MAX ((size_t)1024 * 1024)
#define FILES_MAX 256

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The scripts of a policy, sorted. */
static int list_scripts(const char *dir, char ***ret_names, struct lx_err *err)
{
    DIR *handle = opendir(dir);
    size_t n = 0;
    if (!handle)
        return lx_fail_errno(err, errno, "%s", dir);
    char **names = lx_alloc_array(FILES_MAX + 1, sizeof *names);
    for (struct dirent *entry = readdir(handle); entry && n < FILES_MAX; entry = readdir(handle)) {
        if (entry->d_name[0] != '.' && lx_ends_with(entry->d_name, ".lua") &&
            !lx_ends_with(entry->d_name, "_spec.lua"))
            names[n++] = lx_strdup(entry->d_name);
    }
    closedir(handle);
    qsort(names, n, sizeof *names, by_name);
    *ret_names = names;
    return 0;
}

static int check_script(struct lx_tool *tool, struct lx_session *linter, const char *dir,
                        const char *name, struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(SCRIPT_MAX);
    lx_auto(str) char *path = lx_path_join(dir, name);
    lx_auto(json) json_t *results = NULL;
    if (lx_file_read(path, &text, err) < 0)
        return -1;
    lx_auto(json) json_t *args = json_pack("[s%]", lx_buf_str(&text), text.len);
    if (!args)
        return lx_fail(err, LX_E_REFUSED, "%s: not UTF-8", name);
    if (lx_session_call(tool, linter, "globals", args, &results, err) < 0)
        return lx_wrap(err, "%s", name);
    const json_t *first = json_array_get(json_array_get(results, 0), 0);
    if (!first)
        return 0;
    return lx_fail(err, LX_E_REFUSED, "%s:%lld: %s", name, (long long)lx_json_int(first, "line", 0),
                   lx_json_str(first, "text", ""));
}

int lx_tool_check_globals(struct lx_tool *tool, const char *dir, struct lx_err *err)
{
    struct lx_session linter = {0};
    lx_auto(strv) char **names = NULL;
    lx_auto(str) char *check = lx_path_join(tool->host->library_dir, "check");
    int result = list_scripts(dir, &names, err);
    if (result == 0)
        result = lx_session_open(tool, check, NULL, &linter, err);
    for (char **name = names; result == 0 && name && *name; name++)
        result = check_script(tool, &linter, dir, *name, err);
    lx_session_close(&linter);
    return result;
}
