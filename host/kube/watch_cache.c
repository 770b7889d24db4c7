#include "kube/watch_priv.h"

#include "kube/pod.h"
#include "lunexec/map.h"
#include "lunexec/text.h"

#include <string.h>

#define PODS_MAX 20000

struct entry {
    struct lx_pod *pod;
    char *version, *created;
    uint64_t round;
};

struct lx_watch_cache {
    struct lx_map *by_uid;
    uint64_t round;
};

static void entry_free(void *value)
{
    struct entry *entry = value;
    lx_pod_free(entry->pod);
    free(entry->version);
    free(entry->created);
    free(entry);
}

struct lx_watch_cache *lx_watch_cache_new(void)
{
    struct lx_watch_cache *cache = lx_alloc(sizeof(*cache));
    cache->by_uid = lx_map_new(PODS_MAX, entry_free);
    return cache;
}

void lx_watch_cache_free(struct lx_watch_cache *cache)
{
    if (!cache)
        return;
    lx_map_free(cache->by_uid);
    free(cache);
}

void lx_watch_cache_begin(struct lx_watch_cache *cache)
{
    cache->round++;
}

int lx_watch_cache_put(struct lx_watch_cache *cache, const json_t *object,
                       const struct lx_pod **ret_pod, struct lx_err *err)
{
    const json_t *meta = lx_json_obj(object, "metadata");
    const char *version = lx_json_str(meta, "resourceVersion", "");
    lx_auto(pod) struct lx_pod *pod = NULL;
    if (lx_pod_parse(object, &pod, err))
        return -1;
    struct entry *entry = lx_map_get(cache->by_uid, pod->uid);
    if (entry) {
        entry->round = cache->round;
        if (*version && strcmp(entry->version, version) == 0) {
            *ret_pod = NULL;
            return 0;
        }
        lx_pod_free(entry->pod);
        free(entry->version);
    } else {
        entry = lx_alloc(sizeof(*entry));
        entry->round = cache->round;
        entry->created = lx_strdup(lx_json_str(meta, "creationTimestamp", ""));
        if (!lx_map_put(cache->by_uid, pod->uid, entry)) {
            entry_free(entry);
            return lx_fail(err, LX_E_LIMIT, "more than %d pods match the selector", PODS_MAX);
        }
    }
    entry->pod = lx_take(pod);
    entry->version = lx_strdup(version);
    *ret_pod = entry->pod;
    return 0;
}

int lx_watch_cache_remove(struct lx_watch_cache *cache, const json_t *object,
                          struct lx_pod **ret_pod, struct lx_err *err)
{
    lx_auto(pod) struct lx_pod *pod = NULL;
    if (lx_pod_parse(object, &pod, err))
        return -1;
    struct entry *entry = lx_map_remove(cache->by_uid, pod->uid);
    *ret_pod = entry ? lx_take(pod) : NULL;
    if (entry)
        entry_free(entry);
    return 0;
}

struct stale {
    uint64_t round;
    struct lx_pod **pods;
    size_t n;
};

static void collect_stale(const char *key, void *value, void *arg)
{
    struct stale *stale = arg;
    struct entry *entry = value;
    (void)key;
    if (entry->round != stale->round)
        stale->pods[stale->n++] = entry->pod;
}

struct lx_pod **lx_watch_cache_take_stale(struct lx_watch_cache *cache, size_t *ret_n)
{
    struct stale stale = {.round = cache->round};
    stale.pods = lx_alloc_array(lx_map_count(cache->by_uid) + 1, sizeof(struct lx_pod *));
    lx_map_each (cache->by_uid, collect_stale, &stale)
        ;
    for (size_t i = 0; i < stale.n; i++) {
        struct entry *entry = lx_map_remove(cache->by_uid, stale.pods[i]->uid);
        entry->pod = NULL;
        entry_free(entry);
    }
    *ret_n = stale.n;
    return stale.pods;
}

struct search {
    const char *job_name;
    const struct entry *best;
};

static void look(const char *key, void *value, void *arg)
{
    struct search *search = arg;
    const struct entry *entry = value;
    (void)key;
    if (!lx_streq(entry->pod->job_name, search->job_name))
        return;
    /* RFC 3339 in UTC to the second sorts as text. */
    if (!search->best || strcmp(entry->created, search->best->created) >= 0)
        search->best = entry;
}

const struct lx_pod *lx_watch_cache_find(const struct lx_watch_cache *cache, const char *job_name)
{
    struct search search = {.job_name = job_name};
    lx_map_each (cache->by_uid, look, &search)
        ;
    return search.best ? search.best->pod : NULL;
}

const struct lx_pod *lx_watch_cache_get(const struct lx_watch_cache *cache, const char *uid)
{
    const struct entry *entry = lx_map_get(cache->by_uid, uid);
    return entry ? entry->pod : NULL;
}
