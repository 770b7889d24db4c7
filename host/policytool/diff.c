#include "tool.h"

#include "lunexec/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX ((size_t)256 * 1024 * 1024)
#define JOBS_MAX 10000

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* With one argument, what it changes of --policy. */
static const char *old_dir(const struct lx_tool *tool)
{
    return tool->args[1] ? tool->args[0] : tool->policy_dir;
}

static const char *new_dir(const struct lx_tool *tool)
{
    return tool->args[1] ? tool->args[1] : tool->args[0];
}

/* The *.json of a directory, sorted. */
static int list_jobs(const char *dir, char ***ret_names, struct lx_err *err)
{
    DIR *handle = opendir(dir);
    size_t n = 0;
    if (!handle)
        return lx_fail_errno(err, errno, "directory %s", dir);
    char **names = lx_alloc_array(JOBS_MAX + 1, sizeof *names);
    for (struct dirent *entry = readdir(handle); entry && n < JOBS_MAX; entry = readdir(handle)) {
        if (entry->d_name[0] != '.' && lx_ends_with(entry->d_name, ".json"))
            names[n++] = lx_strdup(entry->d_name);
    }
    closedir(handle);
    qsort(names, n, sizeof *names, by_name);
    *ret_names = names;
    return n > 0 ? 0 : lx_fail(err, LX_E_NOT_FOUND, "directory %s has no *.json", dir);
}

/* A policy that refuses the job differs from one that does not, so the reason is what is shown. */
static int render(struct lx_tool *tool, struct lx_session *session, const char *path,
                  struct lx_buf *out, struct lx_err *err)
{
    lx_auto(job) struct lx_job *job = NULL;
    if (lx_tool_read_job(tool, path, &job, err) < 0)
        return -1;
    if (lx_tool_render(session, job, false, out, err) == 0)
        return 0;
    if (err->code != LX_E_REFUSED && err->code != LX_E_TIMEOUT)
        return -1;
    return lx_buf_addf(out, err, "refused: %s\n", err->text);
}

/* A bundle's hash is in every object, quoted if it could be a number; both sides get the same. */
static char *without_hash(const struct lx_session *session, const char *text)
{
    struct lx_buf out = LX_BUF_INIT(TEXT_MAX);
    const char *hash = lx_policy_hash(session->policy);
    for (const char *at; (at = strstr(text, hash));) {
        const char *end = at + strlen(hash);
        bool quoted = at > text && at[-1] == '"' && *end == '"';
        lx_buf_add(&out, text, (size_t)(at - text) - quoted, NULL);
        lx_buf_adds(&out, "(hash)", NULL);
        text = end + quoted;
    }
    lx_buf_adds(&out, text, NULL);
    return lx_buf_take(&out);
}

static int diff_one(struct lx_tool *tool, struct lx_session sessions[2], const char *name,
                    struct lx_buf *out, struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf old = LX_BUF_INIT(TEXT_MAX);
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf new = LX_BUF_INIT(TEXT_MAX);
    lx_auto(str) char *path = lx_path_join(tool->jobs_dir, name);
    if (render(tool, &sessions[0], path, &old, err) < 0 ||
        render(tool, &sessions[1], path, &new, err) < 0)
        return -1;
    lx_auto(str) char *old_text = without_hash(&sessions[0], lx_buf_str(&old));
    lx_auto(str) char *new_text = without_hash(&sessions[1], lx_buf_str(&new));
    lx_auto(str) char *old_name = lx_strf("%s: %s", old_dir(tool), name);
    lx_auto(str) char *new_name = lx_strf("%s: %s", new_dir(tool), name);
    return lx_tool_diff(old_name, old_text, new_name, new_text, out, err);
}

static int diff_all(struct lx_tool *tool, struct lx_session sessions[2], struct lx_buf *out,
                    struct lx_err *err)
{
    lx_auto(strv) char **names = NULL;
    if (list_jobs(tool->jobs_dir, &names, err) < 0)
        return -1;
    for (char **name = names; name && *name; name++) {
        if (diff_one(tool, sessions, *name, out, err) < 0)
            return -1;
    }
    return 0;
}

int lx_policy_diff_main(struct lx_tool *tool)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf out = LX_BUF_INIT(TEXT_MAX);
    struct lx_session sessions[2] = {0};
    struct lx_err err;
    if (!tool->jobs_dir) {
        fputs("lunexec: policy diff: --jobs DIR is missing\n", stderr);
        return LX_TOOL_WRONG;
    }
    int status;
    if (lx_session_open(tool, old_dir(tool), NULL, &sessions[0], &err) < 0 ||
        lx_session_open(tool, new_dir(tool), NULL, &sessions[1], &err) < 0 ||
        diff_all(tool, sessions, &out, &err) < 0) {
        fprintf(stderr, "lunexec: %s\n", err.text);
        status = LX_TOOL_WRONG;
    } else {
        fputs(lx_buf_str(&out), stdout);
        status = out.len > 0;
    }
    lx_session_close(&sessions[0]);
    lx_session_close(&sessions[1]);
    return status;
}
