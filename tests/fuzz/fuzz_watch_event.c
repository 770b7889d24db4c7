/* Whatever a watch brings, a record told to the owner is whole, and what is in the cache can be
 * found. Input: lines of a watch. */
#include "kube/watch_priv.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void readable(const char *text)
{
    lx_assert(text && strlen(text) <= 4096);
}

static void on_pod(void *arg, enum lx_pod_event event, const struct lx_pod *pod)
{
    struct lx_watch **watch = arg;
    readable(pod->name);
    readable(pod->uid);
    readable(pod->node);
    readable(pod->owner_uid);
    readable(pod->phase);
    readable(pod->reason);
    readable(pod->message);
    readable(pod->unscheduled);
    readable(pod->disruption);
    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct lx_container *container = &pod->containers[i];
        readable(container->name);
        readable(container->reason);
        readable(container->message);
        readable(container->container_id);
        readable(container->started_at);
        readable(container->finished_at);
        lx_assert(container->state == LX_CONTAINER_TERMINATED || container->exit_code == 0);
    }
    if (event == LX_POD_CHANGED)
        lx_assert(lx_watch_find(*watch, pod->job_name));
}

static struct lx_watch *watch_new(void)
{
    static struct lx_watch *watch;
    struct lx_watch_opts opts = {.ns = "n", .selector = "a=b", .on_pod = on_pod, .arg = &watch};
    struct lx_kube_config config = {.server = lx_strdup("http://127.0.0.1:1")};
    struct lx_loop *loop = NULL;
    struct lx_kube *kube = NULL;
    lx_assert(lx_http_global_init(NULL) == 0);
    lx_assert(lx_loop_new(&loop, NULL) == 0);
    lx_assert(lx_kube_new(loop, &config, NULL, &kube, NULL) == 0);
    lx_kube_config_done(&config);
    lx_assert(lx_watch_new(kube, &opts, NULL, &watch, NULL) == 0);
    return watch;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lx_watch *watch;
    struct lx_err err = {0};
    const char *text = (const char *)data;
    if (!watch)
        watch = watch_new();
    watch->running = true; /* without a connection */
    while (size) {
        const char *lf = memchr(text, '\n', size);
        size_t len = lf ? (size_t)(lf - text) : size;
        if (lx_watch_event(watch, text, len, &err))
            lx_assert(err.code != LX_OK && !strchr(err.text, '\n'));
        text += lf ? len + 1 : len;
        size -= lf ? len + 1 : len;
    }
    lx_watch_pause(watch); /* drops the cache */
    return 0;
}
