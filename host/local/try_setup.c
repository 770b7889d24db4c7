#include "try.h"

#include "embedded.h"
#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/text.h"
#include "lunexec/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXAMPLE_REPO "example.com/lunexec/greeter"
#define COMMAND_MS 60000

/* ---- one program, run to its end ---- */

struct command {
    struct lx_buf *out, said;
    int64_t status;
    int signum;
    bool done;
};

static void command_out(void *arg, const char *data, size_t len)
{
    struct command *command = arg;
    if (command->out)
        (void)lx_buf_add(command->out, data, len, NULL);
}

static void command_err(void *arg, const char *data, size_t len)
{
    (void)lx_buf_add(&((struct command *)arg)->said, data, len, NULL);
}

static void command_done(void *arg, int64_t status, int signum)
{
    struct command *command = arg;
    command->status = status;
    command->signum = signum;
    command->done = true;
}

int lx_try_command(struct lx_try *t, const char *const *argv, struct lx_buf *out,
                   struct lx_err *err)
{
    struct command command = {.out = out, .said = LX_BUF_INIT(16384)};
    struct lx_child *child = NULL;
    struct lx_child_opts opts = {.argv = argv,
                                 .fd3 = -1,
                                 .on_out = command_out,
                                 .on_err = command_err,
                                 .on_exit = command_done,
                                 .arg = &command};
    int rc = lx_child_spawn(t->loop, &opts, &child, err);
    if (rc == 0)
        rc = lx_loop_run_until(t->loop, &command.done, COMMAND_MS, err);
    lx_child_free(child);
    if (rc == 0 && (command.status != 0 || command.signum)) {
        char *said = lx_buf_take(&command.said);
        said[strcspn(said, "\n")] = '\0';
        rc = lx_fail(err, LX_E_IO, "%s", *said ? said : "it failed");
        free(said);
    }
    lx_buf_done(&command.said);
    return rc ? lx_wrap(err, "%s", argv[0]) : 0;
}

/* git -C `dir` with an identity and without the user's configuration; `words` up to NULL. */
static int git(struct lx_try *t, const char *dir, struct lx_buf *out, struct lx_err *err,
               const char *const *words)
{
    const char *argv[24] = {"git",
                            "-c",
                            "user.name=lunexec",
                            "-c",
                            "user.email=try@lunexec.invalid",
                            "-c",
                            "init.defaultBranch=main",
                            "-c",
                            "safe.directory=*",
                            "-C",
                            dir};
    size_t n = 11;
    for (size_t i = 0; words[i] && n < 23; i++)
        argv[n++] = words[i];
    return lx_try_command(t, argv, out, err);
}

/* ---- the bundled files ---- */

static const struct lx_embedded *bundled(const char *name)
{
    const struct lx_embedded *file = lx_embedded_files;
    while (file->name && !lx_streq(file->name, name))
        file++;
    lx_assert(file->name);
    return file;
}

static int write_out(const struct lx_embedded *file, const char *path, unsigned mode,
                     struct lx_err *err)
{
    if (lx_file_write(path, file->data, file->len, mode, err))
        return -1;
    return chmod(path, mode) ? lx_fail_errno(err, errno, "cannot make %s executable", path) : 0;
}

static int write_helper(struct lx_try *t, struct lx_err *err)
{
    lx_auto(str) char *dir = lx_path_join(t->dir, "tools");
    lx_auto(str) char *path = lx_path_join(dir, "batcheshelper");
    return lx_mkdirs(dir, 0755, err) || write_out(bundled("batcheshelper"), path, 0755, err) ? -1
                                                                                             : 0;
}

static int example_repo(struct lx_try *t, struct lx_err *err)
{
    static const char *const init[] = {"init", "--quiet", NULL};
    static const char *const add[] = {"add", "--all", NULL};
    static const char *const commit[] = {"commit", "--quiet", "--message", "A first version", NULL};
    if (lx_mkdirs(t->repo, 0755, err) || git(t, t->repo, NULL, err, init))
        return -1;
    for (const struct lx_embedded *file = lx_embedded_files; file->name; file++) {
        if (!lx_starts_with(file->name, "repo/"))
            continue;
        const char *name = file->name + strlen("repo/");
        lx_auto(str) char *path = lx_path_join(t->repo, name);
        if (write_out(file, path, lx_ends_with(name, ".sh") ? 0755 : 0644, err))
            return -1;
    }
    return git(t, t->repo, NULL, err, add) || git(t, t->repo, NULL, err, commit) ? -1 : 0;
}

/* ---- the job ---- */

static int head_of(struct lx_try *t, char **ret_commit, struct lx_err *err)
{
    static const char *const words[] = {"rev-parse", "--verify", "HEAD^{commit}", NULL};
    struct lx_buf out __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT(256);
    if (git(t, t->repo, &out, err, words))
        return lx_wrap(err, "cannot tell the commit of %s", t->repo);
    *ret_commit = lx_strndup(lx_buf_str(&out), strcspn(lx_buf_str(&out), "\n"));
    return 0;
}

static int read_text(const char *path, struct lx_buf *out, struct lx_err *err)
{
    if (path)
        return lx_file_read(path, out, err);
    const struct lx_embedded *file = bundled("batch-spec.yaml");
    return lx_buf_add(out, file->data, file->len, err);
}

static int job_from_spec(struct lx_try *t, struct lx_err *err)
{
    struct lx_buf text __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)16 << 20);
    lx_auto(json) json_t *spec = NULL;
    if (read_text(t->spec_file, &text, err))
        return -1;
    t->repo_name = lx_strdup(EXAMPLE_REPO);
    if (head_of(t, &t->commit, err))
        return -1;
    if (lx_yaml_parse(lx_buf_str(&text), text.len, &spec, err) ||
        lx_try_payload(spec, t->repo_name, t->commit, &t->payload, err))
        return lx_wrap(err, "%s", t->spec_file ? t->spec_file : "the bundled batch spec");
    return 0;
}

static int job_from_file(struct lx_try *t, struct lx_err *err)
{
    struct lx_buf text __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT((size_t)64 << 20);
    if (lx_file_read(t->job_file, &text, err))
        return -1;
    if (lx_json_parse(lx_buf_str(&text), text.len, &t->payload, err))
        return lx_wrap(err, "%s", t->job_file);
    if (!json_is_object(t->payload))
        return lx_fail(err, LX_E_INVALID, "%s: not a job: a JSON object was expected", t->job_file);
    t->repo_name = lx_strdup(lx_json_str(t->payload, "repositoryName", ""));
    const char *commit = lx_json_str(t->payload, "commit", "");
    if (*commit && !lx_streq(commit, "HEAD"))
        return 0;
    if (head_of(t, &t->commit, err))
        return -1;
    json_object_set_new(t->payload, "commit", json_string(t->commit));
    return 0;
}

int lx_try_setup(struct lx_try *t, struct lx_err *err)
{
    char template[] = "/tmp/lunexec-try-XXXXXX";
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return lx_fail_errno(err, errno, "cannot tell where this program is");
    t->self = lx_strndup(self, (size_t)n);
    if (!mkdtemp(template))
        return lx_fail_errno(err, errno, "cannot make a folder in /tmp");
    t->dir = lx_strdup(template);
    t->repo = t->repo_dir ? lx_strdup(t->repo_dir) : lx_path_join(t->dir, "repo");
    if (write_helper(t, err) || (!t->repo_dir && example_repo(t, err)))
        return -1;
    if (t->repo_dir) {
        char *real = realpath(t->repo_dir, NULL);
        if (!real)
            return lx_fail_errno(err, errno, "--repo %s", t->repo_dir);
        free(t->repo);
        t->repo = real;
    }
    if (t->job_file ? job_from_file(t, err) : job_from_spec(t, err))
        return -1;
    lx_auto(str) char *job = lx_json_text(t->payload);
    lx_auto(str) char *path = lx_path_join(t->dir, "job.json");
    return lx_file_write(path, job, strlen(job), 0600, err);
}
