#include "job/workspace.h"

#include "job/gitproxy.h"
#include "job/shell.h"
#include "job/workload.h"
#include "job/workspace_files.h"
#include "lunexec/file.h"
#include "lunexec/json.h"
#include "lunexec/text.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)1024 * 1024)
#define SKIP_FILE_MAX ((size_t)64 * 1024)
#define COMMANDS_MAX 8
#define OWNER_MAX ((size_t)4096)

/* One of the two outputs of a command; its lines get their prefix when they are complete. */
struct stream {
    struct lx_workspace *workspace;
    const char *prefix;
    struct lx_buf line;
};

struct command {
    const char *key; /* of its log entry */
    char **argv;
};

struct lx_workspace {
    const struct lx_executor_opts *opts;
    const struct lx_job *job;
    struct lx_entries *entries;
    char *dir, *repository_dir;
    char *owner_path; /* a file beside it with the name of the executor whose it is */
    char **env;
    struct lx_gitproxy *proxy;
    struct command commands[COMMANDS_MAX];
    size_t n_commands, at;
    struct lx_child *child;
    struct lx_entry *entry; /* of the command that runs; NULL for rm */
    struct stream out, err;
    void (*next)(struct lx_workspace *workspace, int64_t status);
    struct lx_task done_task;
    struct lx_err error;
    bool failed, busy;
    void (*done)(void *arg, const struct lx_err *err);
    void *arg;
};

/* ---- Telling the end ---- */

static void tell(void *arg)
{
    struct lx_workspace *workspace = arg;
    workspace->busy = false;
    workspace->done(workspace->arg, workspace->failed ? &workspace->error : NULL);
}

static void finish(struct lx_workspace *workspace, bool failed)
{
    lx_gitproxy_free(lx_take(workspace->proxy));
    workspace->failed = failed;
    lx_task_post(workspace->opts->loop, &workspace->done_task);
}

static void start(struct lx_workspace *workspace, void (*done)(void *arg, const struct lx_err *err),
                  void *arg)
{
    lx_assert(!workspace->busy);
    workspace->busy = true;
    workspace->done = done;
    workspace->arg = arg;
}

/* ---- Commands ---- */

static void end_line(struct stream *stream)
{
    if (stream->line.len == 0)
        return;
    lx_auto(str) char *text = lx_strf("%s%s\n", stream->prefix, lx_buf_str(&stream->line));
    if (stream->workspace->entry)
        lx_entry_raw(stream->workspace->entry, text);
    lx_buf_reset(&stream->line);
}

static void on_output(void *arg, const char *data, size_t len)
{
    struct stream *stream = arg;
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;
        if (lx_buf_add(&stream->line, data, n, NULL) < 0) {
            end_line(stream);
            continue;
        }
        if (end)
            end_line(stream);
        n += end ? 1 : 0;
        data += n;
        len -= n;
    }
}

static void on_out(void *arg, const char *data, size_t len)
{
    struct lx_workspace *workspace = arg;
    on_output(&workspace->out, data, len);
}

static void on_err(void *arg, const char *data, size_t len)
{
    struct lx_workspace *workspace = arg;
    on_output(&workspace->err, data, len);
}

static void end_entry(struct lx_workspace *workspace, int64_t status)
{
    end_line(&workspace->out);
    end_line(&workspace->err);
    if (workspace->entry)
        lx_entry_finish(lx_take(workspace->entry), status);
}

static void on_exit_of(void *arg, int64_t status, int signum)
{
    struct lx_workspace *workspace = arg;
    int64_t code = signum ? 128 + signum : status;
    lx_child_free(lx_take(workspace->child));
    end_entry(workspace, code);
    workspace->next(workspace, code);
}

/* Runs a program of git's or the system's own; `next` gets its exit status. */
static int spawn(struct lx_workspace *workspace, char *const *argv,
                 void (*next)(struct lx_workspace *workspace, int64_t status), struct lx_err *err)
{
    struct lx_child_opts opts = {
        .argv = (const char *const *)argv,
        .env = (const char *const *)workspace->env,
        .fd3 = -1,
        .new_group = true,
        .on_out = on_out,
        .on_err = on_err,
        .on_exit = on_exit_of,
        .arg = workspace,
    };
    workspace->next = next;
    return lx_child_spawn(workspace->opts->loop, &opts, &workspace->child, err);
}

static void run_command(struct lx_workspace *workspace);

static void write_files(struct lx_workspace *workspace)
{
    int result =
        lx_workspace_write(workspace->dir, workspace->job, workspace->entries, &workspace->error);
    finish(workspace, result < 0);
}

static void after_command(struct lx_workspace *workspace, int64_t status)
{
    const struct command *command = &workspace->commands[workspace->at];
    if (status != 0) {
        lx_fail(&workspace->error, LX_E_IO, "failed %s: command failed with exit code %lld",
                command->key, (long long)status);
        finish(workspace, true);
        return;
    }
    workspace->at++;
    run_command(workspace);
}

static void run_command(struct lx_workspace *workspace)
{
    if (workspace->at == workspace->n_commands) {
        write_files(workspace);
        return;
    }
    const struct command *command = &workspace->commands[workspace->at];
    workspace->entry = lx_entry_open(workspace->entries, command->key, command->argv);
    if (spawn(workspace, command->argv, after_command, &workspace->error) < 0) {
        lx_wrap(&workspace->error, "failed %s", command->key);
        end_entry(workspace, 1);
        finish(workspace, true);
    }
}

/* ---- What git is asked to do ---- */

/* Adds a command; NULL words are left out, the list ends with `end`. */
static const char end[] = "";

static void add_command(struct lx_workspace *workspace, const char *key, const char *const *words)
{
    size_t n = 0, k = 3;
    while (words[n] != end)
        n++;
    struct command *command = &workspace->commands[workspace->n_commands++];
    command->key = key;
    command->argv = lx_alloc_array(n + 4, sizeof *command->argv);
    command->argv[0] = lx_strdup("git");
    command->argv[1] = lx_strdup("-C");
    command->argv[2] = lx_strdup(workspace->repository_dir);
    for (size_t i = 0; i < n; i++) {
        if (words[i])
            command->argv[k++] = lx_strdup(words[i]);
    }
}

#define COMMAND(workspace, key, ...)                                                               \
    add_command(workspace, key, (const char *const[]){__VA_ARGS__, end})

static void add_sparse(struct lx_workspace *workspace)
{
    const struct lx_job *job = workspace->job;
    size_t n = lx_strv_len(job->sparse_checkout);
    const char **words = lx_alloc_array(n + 5, sizeof *words);
    COMMAND(workspace, "setup.git.sparse-checkout-config", "config", "--local",
            "core.sparseCheckout", "1");
    words[0] = "sparse-checkout";
    words[1] = "set";
    words[2] = "--no-cone";
    words[3] = "--";
    for (size_t i = 0; i < n; i++)
        words[4 + i] = job->sparse_checkout[i];
    words[4 + n] = end;
    add_command(workspace, "setup.git.sparse-checkout-set", words);
    free(words);
}

static void add_commands(struct lx_workspace *workspace)
{
    const struct lx_job *job = workspace->job;
    bool sparse = lx_strv_len(job->sparse_checkout) > 0, shallow = job->shallow_clone;
    lx_auto(str) char *url = lx_gitproxy_url(workspace->proxy);
    COMMAND(workspace, "setup.git.init", "init");
    COMMAND(workspace, "setup.git.add-remote", "remote", "add", "origin", url);
    COMMAND(workspace, "setup.git.disable-gc", "config", "--local", "gc.auto", "0");
    COMMAND(workspace, "setup.git.fetch", "-c", "protocol.version=2", "fetch", "--progress",
            "--no-recurse-submodules", job->fetch_tags ? "--tags" : NULL,
            shallow && !job->fetch_tags ? "--no-tags" : NULL, shallow ? "--depth=1" : NULL,
            sparse ? "--filter=blob:none" : NULL, "origin", job->commit);
    if (sparse)
        add_sparse(workspace);
    COMMAND(workspace, "setup.git.checkout", sparse ? "-c" : NULL,
            sparse ? "protocol.version=2" : NULL, "checkout", "--progress", "--force", job->commit);
    COMMAND(workspace, "setup.git.set-remote", "remote", "set-url", "origin", job->repository);
}

/* ---- Preparing ---- */

static int unusable(const struct lx_workspace *workspace, const char *why, struct lx_err *err)
{
    return lx_fail(err, LX_E_IO,
                   "making workspace %s: %s; the claim that "
                   "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME names has to be mounted at %s, "
                   "writable",
                   workspace->dir, why, workspace->opts->workspace_dir);
}

static int make_dir(struct lx_workspace *workspace, struct lx_err *err)
{
    if (mkdir(workspace->dir, 0777) < 0)
        return unusable(workspace, strerror(errno), err);
    /* Steps may run as other users. */
    if (chmod(workspace->dir, 0777) < 0)
        return lx_fail(err, LX_E_IO, "workspace %s: %s", workspace->dir, strerror(errno));
    return 0;
}

static int begin(struct lx_workspace *workspace, struct lx_err *err)
{
    const struct lx_job *job = workspace->job;
    if (make_dir(workspace, err) < 0)
        return -1;
    if (!*job->repository)
        return 0;
    lx_auto(str) char *below = lx_strf("%s/", workspace->dir);
    if (!lx_streq(workspace->repository_dir, workspace->dir) &&
        !lx_starts_with(workspace->repository_dir, below))
        return lx_fail(err, LX_E_INVALID, "invalid repo path \"%s\" not a subdirectory of \"%s\"",
                       workspace->repository_dir, workspace->dir);
    if (lx_mkdirs(workspace->repository_dir, 0777, err) < 0 ||
        lx_gitproxy_new(workspace->opts, job, &workspace->proxy, err) < 0)
        return -1;
    add_commands(workspace);
    return 0;
}

static void after_clearing(struct lx_workspace *workspace, int64_t status)
{
    if (status != 0) {
        lx_fail(&workspace->error, LX_E_IO, "removing what an earlier try left in %s failed",
                workspace->dir);
        finish(workspace, true);
    } else if (begin(workspace, &workspace->error) < 0) {
        finish(workspace, true);
    } else {
        run_command(workspace);
    }
}

/* The system's rm does it beside the loop, however much there is. */
static void clear(struct lx_workspace *workspace,
                  void (*next)(struct lx_workspace *workspace, int64_t status))
{
    static const char rm[] = "rm", flags[] = "-rf", stop[] = "--";
    const char *argv[] = {rm, flags, stop, workspace->dir, NULL};
    if (spawn(workspace, (char *const *)(const void *)argv, next, &workspace->error) < 0)
        finish(workspace, true);
}

/* The directory is named after the job alone. Another executor with the same volume that was given
 * the job after us makes it anew, and says so before it does. */
static int claim(struct lx_workspace *workspace, struct lx_err *err)
{
    const char *name = workspace->opts->executor_name;
    struct lx_err why;
    /* It may be another user's file, which can be removed but not written. */
    (void)unlink(workspace->owner_path);
    if (lx_file_write(workspace->owner_path, name, strlen(name), 0644, &why) < 0)
        return unusable(workspace, why.text, err);
    return 0;
}

bool lx_workspace_is_ours(const struct lx_workspace *workspace)
{
    lx_auto(buf) struct lx_buf name = LX_BUF_INIT(OWNER_MAX);
    return lx_file_read(workspace->owner_path, &name, NULL) < 0 ||
           lx_streq(lx_buf_str(&name), workspace->opts->executor_name);
}

void lx_workspace_prepare(struct lx_workspace *workspace,
                          void (*done)(void *arg, const struct lx_err *err), void *arg)
{
    start(workspace, done, arg);
    if (claim(workspace, &workspace->error) < 0)
        finish(workspace, true);
    else
        clear(workspace, after_clearing);
}

void lx_workspace_leave(const struct lx_workspace *workspace)
{
    if (lx_workspace_is_ours(workspace))
        (void)unlink(workspace->owner_path);
}

static void after_removal(struct lx_workspace *workspace, int64_t status)
{
    if (status != 0)
        lx_fail(&workspace->error, LX_E_IO, "removing %s: exit code %lld", workspace->dir,
                (long long)status);
    else
        lx_workspace_leave(workspace);
    finish(workspace, status != 0);
}

void lx_workspace_remove(struct lx_workspace *workspace,
                         void (*done)(void *arg, const struct lx_err *err), void *arg)
{
    start(workspace, done, arg);
    if (lx_workspace_is_ours(workspace))
        clear(workspace, after_removal);
    else
        finish(workspace, false);
}

bool lx_workspace_busy(const struct lx_workspace *workspace)
{
    return workspace && workspace->busy;
}

void lx_workspace_cancel(struct lx_workspace *workspace)
{
    if (!lx_workspace_busy(workspace))
        return;
    workspace->busy = false;
    lx_task_cancel(&workspace->done_task);
    lx_child_free(lx_take(workspace->child));
    lx_gitproxy_free(lx_take(workspace->proxy));
    end_entry(workspace, -1);
}

/* ---- Making and freeing ---- */

/* git gets these of the executor's environment, and nothing else (contract 5.1). */
static char **git_environment(char *const *environment)
{
    static const char *const passed[] = {"HOME=", "PATH=", "USER=", "DOCKER_HOST="};
    char **env = lx_alloc_array(8, sizeof *env);
    size_t n = 0;
    env[n++] = lx_strdup("GIT_TERMINAL_PROMPT=0");
    env[n++] = lx_strdup("GIT_LFS_SKIP_SMUDGE=1");
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        for (char *const *var = environment; var && *var; var++) {
            if (lx_starts_with(*var, passed[i])) {
                env[n++] = lx_strdup(*var);
                break;
            }
        }
    }
    return env;
}

struct lx_workspace *lx_workspace_new(const struct lx_executor_opts *opts, const struct lx_job *job,
                                      struct lx_entries *entries)
{
    struct lx_workspace *workspace = lx_alloc(sizeof *workspace);
    lx_auto(str) char *name = lx_workload_directory(job);
    workspace->opts = opts;
    workspace->job = job;
    workspace->entries = entries;
    workspace->dir = lx_path_join(opts->workspace_dir, name);
    lx_auto(str) char *owner = lx_strf(".%s.owner", name);
    workspace->owner_path = lx_path_join(opts->workspace_dir, owner);
    workspace->repository_dir = lx_path_join(workspace->dir, job->repository_dir);
    workspace->env = git_environment(opts->environment);
    workspace->out = (struct stream){workspace, "stdout: ", LX_BUF_INIT(LINE_MAX_BYTES)};
    workspace->err = (struct stream){workspace, "stderr: ", LX_BUF_INIT(LINE_MAX_BYTES)};
    lx_task_init(&workspace->done_task, tell, workspace);
    return workspace;
}

void lx_workspace_free(struct lx_workspace *workspace)
{
    if (!workspace)
        return;
    lx_workspace_cancel(workspace);
    for (size_t i = 0; i < workspace->n_commands; i++)
        lx_strv_free(workspace->commands[i].argv);
    lx_strv_free(workspace->env);
    lx_buf_done(&workspace->out.line);
    lx_buf_done(&workspace->err.line);
    free(workspace->dir);
    free(workspace->owner_path);
    free(workspace->repository_dir);
    free(workspace);
}

const char *lx_workspace_dir(const struct lx_workspace *workspace)
{
    return workspace->dir;
}

/* ---- Between steps ---- */

void lx_workspace_skip_done(const struct lx_workspace *workspace)
{
    lx_auto(str) char *path = lx_path_join(workspace->dir, "skip.json");
    (void)unlink(path);
}

int lx_workspace_skip(const struct lx_workspace *workspace, char **ret_next, struct lx_err *err)
{
    lx_auto(str) char *path = lx_path_join(workspace->dir, "skip.json");
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(SKIP_FILE_MAX);
    lx_auto(json) json_t *value = NULL;
    struct stat st = {0};
    *ret_next = NULL;
    if (lstat(path, &st) < 0 && errno == ENOENT)
        return 0;
    if (!S_ISREG(st.st_mode))
        return lx_fail(err, LX_E_INVALID, "checking for skip file: reading skip file: not a file");
    if (lx_file_read(path, &text, err) < 0)
        return lx_wrap(err, "checking for skip file: reading skip file");
    if (lx_json_parse(lx_buf_str(&text), text.len, &value, err) < 0)
        return lx_wrap(err, "checking for skip file: unmarshalling skip file");
    const char *next = lx_json_str(value, "nextStep", "");
    if (*next)
        *ret_next = lx_strdup(next);
    return 0;
}
