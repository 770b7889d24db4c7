/*
 * The shell texts of a job, run by a real shell.
 */
#include "job/shell.h"

#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define S(text) ((char *)(uintptr_t)(text))

static char dir[] = "/tmp/lunexec-shell-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return lx_remove_tree(dir, NULL);
}

/* Runs `sh -c TEXT` in the folder; its output in `out`; the exit status. */
static int run(const char *text, struct lx_buf *out)
{
    int fds[2];
    char chunk[4096];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork(); /* lint: allow fork */
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(dir) < 0 || dup2(fds[1], 1) < 0 || dup2(fds[1], 2) < 0)
            _exit(126);
        close(fds[0]);
        close(fds[1]);
        execl("/bin/sh", "sh", "-c", text, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], chunk, sizeof chunk)) > 0;)
        assert_int_equal(lx_buf_add(out, chunk, (size_t)n, NULL), 0);
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct lx_job job_with(struct lx_job_step *steps, size_t n, struct lx_job_file *files,
                              size_t n_files)
{
    return (struct lx_job){
        .id = 42,
        .repository = S(""),
        .repository_dir = S("repository"),
        .commit = S("c0ffee"),
        .steps = steps,
        .n_steps = n,
        .files = files,
        .n_files = n_files,
    };
}

static char *setup_text(const struct lx_job *job)
{
    struct lx_err err;
    lx_auto(cargo) struct lx_cargo *cargo = NULL;
    if (lx_cargo_new(job, &cargo, &err) < 0)
        fail_msg("%s", err.text);
    struct lx_setup setup = {
        .job = job, .clone_url = "http://h/x", .executor_name = "ex", .cargo = cargo};
    struct lx_buf out = LX_BUF_INIT(1 << 20);
    if (lx_setup_command(&setup, &out, &err) < 0)
        fail_msg("%s", err.text);
    return lx_buf_take(&out);
}

static void files_arrive_byte_for_byte(void **state)
{
    (void)state;
    static const char odd[] = "it's \"$HOME\" `date` \\n $(id) $$\r\n\ttab \xc3\xa9 no newline";
    struct lx_job_file files[] = {
        {.path = S("a/b c/odd.txt"), .content = S(odd), .content_len = sizeof odd - 1},
        {.path = S("empty"), .content = S(""), .content_len = 0},
        {.path = S("dated"),
         .content = S("x\n"),
         .content_len = 2,
         .has_mtime = true,
         .mtime = {.tv_sec = 1717410030}},
    };
    struct lx_job job = job_with(NULL, 0, files, 3);
    lx_auto(str) char *text = setup_text(&job);
    struct lx_buf out = LX_BUF_INIT(1 << 16);
    lx_auto(str) char *with_zone = lx_strf("TZ=UTC; export TZ; %s", text);
    assert_int_equal(run(with_zone, &out), 0);
    lx_buf_reset(&out);

    lx_auto(str) char *path = lx_path_join(dir, "a/b c/odd.txt");
    assert_int_equal(lx_file_read(path, &out, NULL), 0);
    assert_int_equal(out.len, sizeof odd - 1);
    assert_memory_equal(out.data, odd, out.len);
    lx_buf_reset(&out);
    lx_auto(str) char *empty = lx_path_join(dir, "empty");
    assert_int_equal(lx_file_read(empty, &out, NULL), 0);
    assert_int_equal(out.len, 0);
    lx_auto(str) char *dated = lx_path_join(dir, "dated");
    struct stat st;
    assert_int_equal(stat(dated, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1717410030);
    assert_true(st.st_mode & S_IXUSR);
    lx_buf_done(&out);
}

static void files_stay_inside(void **state)
{
    (void)state;
    static const char *const paths[] = {"../x", "a/../../x", "/../x", ".."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct lx_job_file file = {.path = S(paths[i]), .content = S("x"), .content_len = 1};
        struct lx_job job = job_with(NULL, 0, &file, 1);
        struct lx_cargo *cargo = NULL;
        struct lx_err err;
        assert_int_equal(lx_cargo_new(&job, &cargo, &err), -1);
        assert_non_null(strstr(err.text, "outside of working directory"));
    }
}

/* What a step's script prints and exits with, run as its container would. */
static int run_script(struct lx_job *job, struct lx_buf *out)
{
    lx_auto(str) char *text = setup_text(job);
    struct lx_buf ignored = LX_BUF_INIT(1 << 16);
    assert_int_equal(run(text, &ignored), 0);
    lx_buf_done(&ignored);
    lx_auto(str) char *name = lx_script_name(job, 0);
    lx_auto(str) char *command = lx_strf("/bin/sh '%s/%s/%s'", dir, LX_SCRIPT_DIR, name);
    return run(command, out);
}

static void scripts_run_their_lines(void **state)
{
    (void)state;
    char *commands[] = {S("echo one"), S("false"), S("echo two; (exit 7)"), NULL};
    struct lx_job_step step = {.key = S("step.0.run"), .commands = commands};
    struct lx_job job = job_with(&step, 1, NULL, 0);
    job.repository = S("");
    struct lx_buf out = LX_BUF_INIT(1 << 16);
    assert_int_equal(run_script(&job, &out), 7);
    assert_non_null(strstr(lx_buf_str(&out), "one"));
    assert_non_null(strstr(lx_buf_str(&out), "two"));
    assert_non_null(strstr(lx_buf_str(&out), "+ echo one")); /* xtrace is on */
    lx_buf_done(&out);
}

static bool skips(const char *skip_file, const char *key)
{
    lx_auto(str) char *path = lx_path_join(dir, "skip.json");
    if (skip_file)
        assert_int_equal(lx_file_write(path, skip_file, strlen(skip_file), 0644, NULL), 0);
    lx_auto(str) char *command = lx_strf("PATH=/nonexistent ./nextIndex.sh skip.json %s", key);
    struct lx_buf out = LX_BUF_INIT(1 << 16);
    assert_int_equal(run(command, &out), 0);
    bool skip = strcmp(lx_buf_str(&out), "skip\n") == 0;
    assert_true(skip || out.len == 0);
    lx_buf_done(&out);
    if (skip_file)
        unlink(path);
    return skip;
}

/* Contract 6.2; PATH leads nowhere, since a user's image may have nothing but a shell. */
static void skip_check_follows_the_file(void **state)
{
    (void)state;
    struct lx_job job = job_with(NULL, 0, NULL, 0);
    lx_auto(str) char *text = setup_text(&job);
    struct lx_buf out = LX_BUF_INIT(1 << 16);
    assert_int_equal(run(text, &out), 0);
    lx_buf_done(&out);
    assert_false(skips(NULL, "step.kubernetes.step.1.pre"));
    assert_false(skips("{\"nextStep\":\"step.2.pre\"}", "step.kubernetes.step.2.pre"));
    assert_false(skips("{\"nextStep\": \"step.2.pre\"}\n", "step.kubernetes.step.2.pre"));
    assert_false(
        skips("{\"a\":1,\"nextStep\":\"step.2.pre\",\"b\":2}", "step.kubernetes.step.2.pre"));
    assert_true(skips("{\"nextStep\":\"step.2.pre\"}", "step.kubernetes.step.1.run"));
    assert_true(skips("{\"nextStep\":\"step.2.pre\"}", "step.kubernetes.step.2.post"));
    assert_true(skips("{\"nextStep\":\"\"}", "step.kubernetes.step.2.pre"));
    assert_true(skips("garbage", "step.kubernetes.step.2.pre"));
    assert_true(skips("", "step.kubernetes.step.2.pre"));
}

/* The kubelet's expansion of args (Kubernetes API, Container.args), for variables that exist. */
static char *kubelet_expand(const char *text, const char *name, const char *value)
{
    struct lx_buf out = LX_BUF_INIT(1 << 16);
    size_t n = strlen(name);
    while (*text) {
        if (text[0] == '$' && text[1] == '$') {
            lx_buf_addc(&out, '$', NULL);
            text += 2;
        } else if (text[0] == '$' && text[1] == '(' && strncmp(text + 2, name, n) == 0 &&
                   text[2 + n] == ')') {
            lx_buf_adds(&out, value, NULL);
            text += n + 3;
        } else {
            lx_buf_addc(&out, *text++, NULL);
        }
    }
    return lx_buf_take(&out);
}

static void kubelet_expansion_gives_it_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"$TOKEN",  "$(TOKEN)",  "$$(TOKEN)",     "$$",
                                        "$$$",     "$$x$",      "a$$$(TOKEN)$$", "$(echo hi)",
                                        "$(TOKEN", "no dollar", "$($(TOKEN))",   "$"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct lx_buf out = LX_BUF_INIT(1 << 16);
        assert_int_equal(lx_kubelet_escape(&out, texts[i], strlen(texts[i]), NULL), 0);
        lx_auto(str) char *back = kubelet_expand(lx_buf_str(&out), "TOKEN", "SECRET");
        assert_string_equal(back, texts[i]);
        lx_buf_done(&out);
    }
    struct lx_buf plain = LX_BUF_INIT(1 << 16);
    assert_int_equal(lx_kubelet_escape(&plain, "Bearer $TOKEN $(cat x)", 22, NULL), 0);
    assert_string_equal(lx_buf_str(&plain), "Bearer $TOKEN $(cat x)");
    lx_buf_done(&plain);
}

static void clone_is_the_contracts(void **state)
{
    (void)state;
    struct lx_job job = job_with(NULL, 0, NULL, 0);
    job.repository = S("github.com/acme/widgets");
    job.shallow_clone = true;
    lx_auto(str) char *text = setup_text(&job);
    assert_int_equal(strncmp(text,
                             "set -e; mkdir -p repository; git -C repository init; git -C "
                             "repository remote add origin http://h/x; git -C repository config "
                             "--local gc.auto 0; git -C repository -c "
                             "http.extraHeader=\"Authorization:Bearer $TOKEN\" -c "
                             "http.extraHeader=X-Sourcegraph-Actor-UID:internal -c "
                             "http.extraHeader=X-Sourcegraph-Job-ID:42 -c "
                             "http.extraHeader=X-Sourcegraph-Executor-Name:ex -c "
                             "protocol.version=2 fetch --progress --no-recurse-submodules "
                             "--no-tags --depth=1 origin c0ffee; git -C repository checkout "
                             "--progress --force c0ffee; mkdir -p .sourcegraph-executor; ",
                             strlen("set -e; mkdir -p repository; git -C repository init; ") + 450),
                     0);
    char *patterns[] = {S("web/*"), NULL};
    job.sparse_checkout = patterns;
    job.fetch_tags = true;
    lx_auto(str) char *sparse = setup_text(&job);
    assert_non_null(strstr(sparse, "--tags --depth=1 --filter=blob:none origin c0ffee; "));
    assert_non_null(strstr(sparse, "sparse-checkout set --no-cone -- 'web/*'; "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_arrive_byte_for_byte),
        cmocka_unit_test(files_stay_inside),
        cmocka_unit_test(scripts_run_their_lines),
        cmocka_unit_test(skip_check_follows_the_file),
        cmocka_unit_test(kubelet_expansion_gives_it_back),
        cmocka_unit_test(clone_is_the_contracts),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
