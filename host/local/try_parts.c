/*
 * The three children. Each asks the kernel to be killed when this process ends, however it ends.
 */
#include "try.h"

#include "lunexec/file.h"
#include "lunexec/parse.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READY_MS 20000
#define STOP_MS 3000
#define SAID_MAX ((size_t)256 << 10)

static void part_out(void *arg, const char *data, size_t len)
{
    static const char text[] = "listening on ";
    struct lx_try_part *part = arg;
    (void)lx_buf_add(&part->out, data, len, NULL);
    const char *at = strstr(lx_buf_str(&part->out), text);
    const char *end = at ? strchr(at, '\n') : NULL;
    uint64_t port;
    if (!end || part->port)
        return;
    at += sizeof text - 1;
    lx_auto(str) char *number = lx_strndup(at, (size_t)(end - at));
    if (lx_parse_u64(number, &port) == 0)
        part->port = (unsigned)port;
}

static void part_err(void *arg, const char *data, size_t len)
{
    struct lx_try_part *part = arg;
    if (part->said.len + len > SAID_MAX)
        lx_buf_consume(&part->said, part->said.len / 2);
    (void)lx_buf_add(&part->said, data, len, NULL);
    if (part->t->verbose)
        (void)!write(STDERR_FILENO, data, len);
}

static void part_exit(void *arg, int64_t status, int signum)
{
    struct lx_try_part *part = arg;
    part->ended = true;
    part->status = status;
    part->signum = signum;
    lx_loop_stop(part->t->loop);
}

/* `words` (NULL-terminated) are the program's arguments. */
static int start(struct lx_try *t, struct lx_try_part *part, const char *name,
                 const char *const *words, const char *const *env, struct lx_err *err)
{
    const char *argv[40] = {"setpriv", "--pdeathsig", "KILL", "--", t->self};
    size_t n = 5;
    for (size_t i = 0; words[i] && n < 39; i++)
        argv[n++] = words[i];
    part->t = t;
    part->name = name;
    lx_buf_init(&part->said, SAID_MAX + 65536);
    lx_buf_init(&part->out, 65536);
    struct lx_child_opts opts = {.argv = argv,
                                 .env = env,
                                 .fd3 = -1,
                                 .new_group = true, /* Ctrl-C is ours to handle */
                                 .on_out = part_out,
                                 .on_err = part_err,
                                 .on_exit = part_exit,
                                 .arg = part};
    if (lx_child_spawn(t->loop, &opts, &part->child, err))
        return lx_wrap(err, "%s", name);
    part->started = true;
    return 0;
}

static int await_port(struct lx_try *t, struct lx_try_part *part, struct lx_err *err)
{
    for (uint64_t waited = 0; !part->port && !part->ended && waited < READY_MS; waited += 10) {
        const bool never = false;
        (void)lx_loop_run_until(t->loop, &never, 10, NULL);
    }
    if (part->port)
        return 0;
    char *said = lx_buf_take(&part->said);
    said[strcspn(said, "\n")] = '\0';
    const char *text = lx_starts_with(said, "lunexec: ") ? said + strlen("lunexec: ") : said;
    lx_fail(err, LX_E_IO, "%s", *text ? text : "a stand-in did not start");
    free(said);
    return -1;
}

static int write_kubeconfig(struct lx_try *t, const char *token, struct lx_err *err)
{
    lx_auto(str) char *path = lx_path_join(t->dir, "kubeconfig");
    lx_auto(str) char *text =
        lx_strf("apiVersion: v1\nkind: Config\ncurrent-context: local\n"
                "clusters:\n- name: local\n  cluster: {server: 'http://127.0.0.1:%u'}\n"
                "users:\n- name: local\n  user: {token: '%s'}\n"
                "contexts:\n- name: local\n  context: {cluster: local, user: local, namespace: "
                "default}\n",
                t->cluster.port, token);
    return lx_file_write(path, text, strlen(text), 0600, err);
}

int lx_try_start_standins(struct lx_try *t, struct lx_err *err)
{
    char token[LX_UUID_SIZE];
    if (lx_uuid4(token, err))
        return -1;
    lx_auto(str) char *frontend_record = lx_path_join(t->dir, "frontend.jsonl");
    lx_auto(str) char *cluster_record = lx_path_join(t->dir, "cluster.jsonl");
    lx_auto(str) char *job = lx_path_join(t->dir, "job.json");
    lx_auto(str) char *repo = lx_strf("%s=%s", t->repo_name, t->repo);
    lx_auto(str) char *root = lx_path_join(t->dir, "cluster");
    lx_auto(str) char *tools = lx_path_join(t->dir, "tools");
    const char *cluster[] = {"cluster-stand-in",
                             "--root",
                             root,
                             "--tools",
                             tools,
                             "--token",
                             token,
                             "--record",
                             cluster_record,
                             "--rbac",
                             t->keep ? "--keep" : NULL,
                             NULL};
    const char *frontend[] = {"frontend-stand-in",
                              "--password",
                              "try",
                              "--job",
                              job,
                              "--repo",
                              repo,
                              "--record",
                              frontend_record,
                              t->files_dir ? "--files" : NULL,
                              t->files_dir,
                              NULL};
    if (start(t, &t->cluster, "cluster stand-in", cluster, NULL, err) ||
        start(t, &t->frontend, "frontend stand-in", frontend, NULL, err) ||
        await_port(t, &t->cluster, err) || await_port(t, &t->frontend, err))
        return -1;
    return write_kubeconfig(t, token, err);
}

/* ---- the executor ---- */

/* Variables of the caller that reach the executor, so that settings can be tried too. */
static bool passed_on(const char *pair)
{
    static const char *const prefixes[] = {"PATH=",
                                           "LANG=",
                                           "TMPDIR=",
                                           "ASAN_OPTIONS=",
                                           "UBSAN_OPTIONS=",
                                           "LSAN_OPTIONS=",
                                           "SRC_LOG_",
                                           "LUNEXEC_",
                                           "KUBERNETES_JOB_",
                                           "KUBERNETES_RUN_AS_",
                                           "KUBERNETES_FS_GROUP=",
                                           "EXECUTOR_KUBERNETES_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (lx_starts_with(pair, prefixes[i]))
            return true;
    }
    return false;
}

static void set(json_t *env, const char *name, const char *value)
{
    json_array_append_new(env, json_sprintf("%s=%s", name, value));
}

int lx_try_start_executor(struct lx_try *t, struct lx_err *err)
{
    lx_auto(json) json_t *env = json_array();
    lx_auto(str) char *url = lx_strf("http://127.0.0.1:%u", t->frontend.port);
    lx_auto(str) char *kubeconfig = lx_path_join(t->dir, "kubeconfig");
    const char *const fixed[][2] = {
        {"HOME", t->dir},
        {"EXECUTOR_FRONTEND_URL", url},
        {"EXECUTOR_FRONTEND_PASSWORD", "try"},
        {"EXECUTOR_QUEUE_NAME", "batches"},
        {"EXECUTOR_QUEUE_POLL_INTERVAL", "100ms"},
        {"EXECUTOR_NUM_TOTAL_JOBS", "1"},
        {"EXECUTOR_KUBERNETES_CONFIG_PATH", kubeconfig},
        {"EXECUTOR_KUBERNETES_NAMESPACE", "default"},
        {"EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY", "512Mi"},
        {"EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY", "512Mi"},
        {"KUBERNETES_JOB_STEP_IMAGE", "sourcegraph/batcheshelper:local"},
        {"LUNEXEC_LISTEN", "127.0.0.1:0"},
        {"LUNEXEC_LOG_UPDATE_INTERVAL", "250ms"},
        {"LUNEXEC_POLICY_DIR", t->policy_dir},
    };
    for (char *const *pair = environ; *pair; pair++) {
        bool ours = false;
        for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
            size_t len = strlen(fixed[i][0]);
            ours = ours ||
                   (fixed[i][1] && strncmp(*pair, fixed[i][0], len) == 0 && (*pair)[len] == '=');
        }
        if (passed_on(*pair) && !ours)
            json_array_append_new(env, json_string(*pair));
    }
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (fixed[i][1])
            set(env, fixed[i][0], fixed[i][1]);
    }
    const char **pairs = lx_alloc_array(json_array_size(env) + 1, sizeof *pairs);
    for (size_t i = 0; i < json_array_size(env); i++)
        pairs[i] = json_string_value(json_array_get(env, i));
    static const char *const words[] = {"run", NULL};
    int rc = start(t, &t->executor, "executor", words, pairs, err);
    free(pairs);
    return rc;
}

/* ---- the end ---- */

static void stop_part(struct lx_try *t, struct lx_try_part *part, int signum)
{
    if (part->started && !part->ended) {
        lx_child_kill(part->child, signum);
        (void)lx_loop_run_until(t->loop, &part->ended, STOP_MS, NULL);
    }
    lx_child_free(lx_take(part->child));
}

void lx_try_stop(struct lx_try *t)
{
    stop_part(t, &t->executor, SIGKILL);
    stop_part(t, &t->cluster, SIGTERM);
    stop_part(t, &t->frontend, SIGTERM);
}
