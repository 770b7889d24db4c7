/*
 * What a restarted executor takes up from its journal: whatever the values of a job's keys are, it
 * is adopted or given up, and can be freed in each state on the way. Input: the payload as one line
 * of JSON, then a key and its value a line: "run {...}", "entry/000000 {...}". A payload after '!'
 * is of the layout with a shared volume.
 */
#include "job/priv.h"
#include "lunexec/file.h"
#include "lunexec/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SERVER "http://127.0.0.1:1" /* nobody answers there */
#define ROUNDS 3                    /* ends before a child process is begun */

struct peers {
    struct lx_loop *loop;
    struct lx_http *http;
    struct lx_queue *queue;
    struct lx_kube *kube;
    struct lx_policy *policy;
    char path[64];
};

static void on_ready(void *arg, const struct lx_err *err)
{
    (void)arg;
    (void)err;
}

static struct peers *peers_new(void)
{
    static const char *const queues[] = {"batches", NULL};
    struct peers *peers = lx_alloc(sizeof *peers);
    struct lx_http_opts http = {0};
    struct lx_queue_opts queue = {.frontend_url = SERVER,
                                  .password = "hunter2hunter2",
                                  .queues = queues,
                                  .executor_name = "fuzz",
                                  .version = "0",
                                  .git_version = "0"};
    struct lx_kube_config config = {.server = (char *)(uintptr_t)SERVER,
                                    .token = (char *)(uintptr_t)"t"};
    struct lx_policy_opts policy = {.exe = "/nonexistent"};
    struct lx_bundle *bundle = NULL;
    lx_assert(lx_loop_new(&peers->loop, NULL) == 0);
    lx_assert(lx_http_new(peers->loop, &http, &peers->http, NULL) == 0);
    lx_assert(lx_queue_new(peers->loop, peers->http, &queue, NULL, &peers->queue, NULL) == 0);
    lx_assert(lx_kube_new(peers->loop, &config, NULL, &peers->kube, NULL) == 0);
    lx_assert(lx_bundle_load(LX_SOURCE_DIR "/scripts", NULL, LX_SOURCE_DIR "/lua", &bundle, NULL) ==
              0);
    lx_assert(lx_policy_new(peers->loop, bundle, &policy, NULL, on_ready, NULL, &peers->policy,
                            NULL) == 0);
    (void)snprintf(peers->path, sizeof peers->path, "/dev/shm/fuzz_adopt.%d", (int)getpid());
    return peers;
}

/* The payload's line, as the job's record; the job's uid, NULL when it is no job's. */
static char *put_job(struct lx_journal *journal, const char *line)
{
    lx_auto(json) json_t *payload = NULL;
    lx_auto(job) struct lx_job *job = NULL;
    if (lx_json_parse(line, strlen(line), &payload, NULL) < 0 ||
        lx_job_parse(payload, "batches", &job, NULL) < 0 || strlen(job->uid) > 200)
        return NULL;
    lx_auto(json) json_t *record = json_pack("{s:s, s:O}", "queue", "batches", "payload", payload);
    lx_auto(str) char *text = lx_json_text(record);
    lx_auto(str) char *key = lx_strf("%s/job", job->uid);
    lx_assert(lx_journal_put(journal, key, text, strlen(text), NULL) == 0);
    return lx_strdup(job->uid);
}

static void put_rest(struct lx_journal *journal, const char *uid, char *const *lines)
{
    for (; *lines; lines++) {
        const char *value = strchr(*lines, ' ');
        if (!value || value - *lines > 200)
            continue;
        lx_auto(str) char *key = lx_strf("%s/%.*s", uid, (int)(value - *lines), *lines);
        lx_assert(lx_journal_put(journal, key, value + 1, strlen(value + 1), NULL) == 0);
    }
}

static void confirm(struct lx_executor *ex)
{
    ex->pods_known = true;
    lx_list_each (it, &ex->runs)
        lx_container_of(it, struct lx_run, link)->confirmed = true;
    for (size_t i = 0; i < ROUNDS; i++)
        (void)uv_run(lx_loop_uv(ex->opts.loop), UV_RUN_NOWAIT);
    lx_adopt_rewrite(ex);
}

static void adopt(struct peers *peers, struct lx_journal *journal, bool shared)
{
    struct lx_metrics *metrics = lx_metrics_new();
    struct lx_executor *ex = NULL;
    lx_auto(json) json_t *settings = json_object();
    struct lx_executor_opts opts = {
        .loop = peers->loop,
        .queue = peers->queue,
        .kube = peers->kube,
        .policy = peers->policy,
        .metrics = metrics,
        .http = peers->http,
        .executor_name = "fuzz",
        .frontend_url = SERVER,
        .password = "hunter2hunter2",
        .queue_name = "batches",
        .queue_label = "batches",
        .ns = "default",
        .step_image = "helper",
        .shared_volume = shared,
        .claim_name = "claim",
        .workspace_dir = "/nonexistent",
        .volume_type = "emptyDir",
        .volume_size = "5Gi",
        .policy_settings = settings,
        .spool_dir = "/nonexistent",
        .journal = journal,
        .max_jobs = 1,
        .max_runtime_ms = 60000,
        .log_update_interval_ms = 1000,
    };
    lx_assert(lx_executor_new(&opts, &ex, NULL) == 0);
    lx_adopt_all(ex);
    lx_assert(lx_executor_running(ex) <= 1);
    confirm(ex);
    lx_executor_free(ex);
    lx_metrics_free(metrics);
    (void)uv_run(lx_loop_uv(peers->loop), UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct peers *peers; /* one for all inputs */
    struct lx_journal *journal = NULL;
    if (!peers)
        peers = peers_new();
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    lx_auto(strv) char **lines = lx_split(text, '\n');
    bool shared = lines[0][0] == '!';
    lx_assert(lx_journal_open(peers->path, &journal, NULL, NULL) == 0);
    lx_auto(str) char *uid = put_job(journal, lines[0] + shared);
    if (uid) {
        put_rest(journal, uid, lines + 1);
        adopt(peers, journal, shared);
    }
    lx_journal_close(journal);
    lx_assert(unlink(peers->path) == 0);
    return 0;
}
