/*
 * How long a policy call takes, process boundary and copies both ways included.
 * Usage, in the project's folder: bench_policy [CALLS [POLICY_DIR [LIBRARY_DIR]]]
 *
 * Calls job() for a batch change with three steps, one after the other, and prints percentiles,
 * the time to start a child, and the child's memory.
 */
#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/parse.h"
#include "lunexec/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STEPS 3
#define STARTS 20

struct bench {
    struct lx_loop *loop;
    const char *policy_dir, *library_dir;
    struct lx_policy *policy;
    json_t *args;
    bool done;
    bool failed;
};

static void fail(const char *what, const struct lx_err *err)
{
    fprintf(stderr, "bench_policy: %s: %s\n", what, err->text);
    exit(1);
}

static void add_container(json_t *list, const char *name, const char *image, const char *purpose)
{
    json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "name", name, "image", image,
                                          "purpose", purpose, "working_dir", "/job", "env_names",
                                          "TOKEN"));
}

static json_t *make_args(void)
{
    static const char *const parts[] = {"pre", "run", "post"};
    json_t *containers = json_array();
    add_container(containers, "setup-workspace", "sourcegraph/batcheshelper:5.6.185", "setup");
    for (int step = 0; step < STEPS; step++) {
        for (int part = 0; part < 3; part++) {
            char name[64];
            snprintf(name, sizeof name, "step-kubernetes-step-%d-%s", step, parts[part]);
            add_container(containers, name, "alpine:3", "step");
        }
    }
    add_container(containers, "main", "sourcegraph/batcheshelper:5.6.185", "main");
    json_t *task =
        json_pack("{s:i,s:i,s:s,s:o,s:i,s:i,s:s,s:{s:s,s:s,s:s},s:s,s:s,s:{s:s,s:s,s:s,s:s}}",
                  "api", 1, "attempt", 1, "commit", "0123456789abcdef0123456789abcdef01234567",
                  "containers", containers, "deadline_seconds", 1200, "id", 42, "layout",
                  "single-pod", "names", "job", "sg-executor-job-batches-42", "secret",
                  "sg-executor-job-batches-42-secrets", "volume", "sg-executor-job-batches-42-pvc",
                  "queue", "batches", "repository", "github.com/acme/widgets", "workspace",
                  "mount_path", "/job", "size", "5Gi", "type", "emptyDir", "volume", "job-data");
    json_t *settings =
        json_pack("{s:s,s:i,s:b,s:s,s:s,s:s,s:s}", "firewall_profile", "compatible", "fs_group",
                  1000, "host_network", 0, "image_pull_policy", "IfNotPresent", "namespace",
                  "default", "resource_limit_memory", "12Gi", "resource_request_memory", "12Gi");
    return json_pack("[o,o]", task, settings);
}

static void on_ready(void *arg, const struct lx_err *err)
{
    struct bench *bench = arg;
    if (err)
        fail("load", err);
    bench->done = true;
}

static void on_result(void *arg, bool defined, json_t *results, const struct lx_err *err)
{
    struct bench *bench = arg;
    if (err)
        fail("job", err);
    bench->failed = !defined || json_array_size(results) == 0;
    bench->done = true;
}

static void wait_done(struct bench *bench)
{
    struct lx_err err;
    if (lx_loop_run_until(bench->loop, &bench->done, 10000, &err))
        fail("wait", &err);
    bench->done = false;
}

static void start(struct bench *bench)
{
    struct lx_bundle *bundle = NULL;
    struct lx_err err;
    if (lx_bundle_load(bench->policy_dir, NULL, bench->library_dir, &bundle, &err) ||
        lx_policy_new(bench->loop, bundle, NULL, NULL, on_ready, bench, &bench->policy, &err))
        fail("start", &err);
    wait_done(bench);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_memory(const struct bench *bench, const char *when)
{
    char path[64];
    struct lx_buf text = LX_BUF_INIT(65536);
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)lx_policy_child_pid(bench->policy));
    if (lx_file_read(path, &text, NULL) == 0) {
        const char *rss = strstr(lx_buf_str(&text), "Rss:");
        const char *dirty = strstr(lx_buf_str(&text), "Private_Dirty:");
        if (rss && dirty)
            printf("child %s: rss %.*s, private dirty %.*s\n", when, (int)strcspn(rss + 16, "\n"),
                   rss + 16, (int)strcspn(dirty + 16, "\n"), dirty + 16);
    }
    lx_buf_done(&text);
}

static void measure_starts(struct bench *bench)
{
    uint64_t times[STARTS];
    for (int i = 0; i < STARTS; i++) {
        uint64_t before = lx_now_ns();
        start(bench);
        times[i] = lx_now_ns() - before;
        lx_policy_free(bench->policy);
    }
    qsort(times, STARTS, sizeof times[0], compare);
    printf("start and load: median %" PRIu64 " us, worst %" PRIu64 " us\n",
           times[STARTS / 2] / 1000, times[STARTS - 1] / 1000);
}

/* The time that `per_mille` of the sorted times do not exceed, in microseconds. */
static double at(const uint64_t *times, size_t n, size_t per_mille)
{
    size_t index = n * per_mille / 1000;
    return (double)times[index < n ? index : n - 1] / 1e3;
}

static void measure_calls(struct bench *bench, size_t calls)
{
    uint64_t *times = lx_alloc_array(calls, sizeof *times);
    for (size_t i = 0; i < calls && !bench->failed; i++) {
        uint64_t before = lx_now_ns();
        lx_policy_call(bench->policy, "job", bench->args, on_result, bench);
        wait_done(bench);
        times[i] = lx_now_ns() - before;
    }
    qsort(times, calls, sizeof *times, compare);
    printf("job(), %zu calls: median %.1f us, p99 %.1f us, p99.9 %.1f us, worst %.1f us\n", calls,
           at(times, calls, 500), at(times, calls, 990), at(times, calls, 999),
           at(times, calls, 1000));
    free(times);
}

int main(int argc, char **argv)
{
    uint64_t calls = 100000;
    if (argc > 4 || (argc > 1 && lx_parse_u64(argv[1], &calls)) || calls < 1) {
        fprintf(stderr, "usage: bench_policy [CALLS [POLICY_DIR [LIBRARY_DIR]]]\n");
        return 2;
    }
    struct bench bench = {.policy_dir = argc > 2 ? argv[2] : "scripts",
                          .library_dir = argc > 3 ? argv[3] : "lua",
                          .args = make_args()};
    struct lx_err err;
    if (lx_loop_new(&bench.loop, &err))
        fail("loop", &err);
    measure_starts(&bench);
    start(&bench);
    print_memory(&bench, "after load");
    measure_calls(&bench, calls);
    print_memory(&bench, "after the calls");
    lx_loop_run_until(bench.loop, &(bool){false}, 200, NULL);
    print_memory(&bench, "idle");
    if (bench.failed)
        fprintf(stderr, "bench_policy: job() gave nothing\n");
    lx_policy_free(bench.policy);
    lx_loop_free(bench.loop);
    json_decref(bench.args);
    return bench.failed ? 1 : 0;
}
