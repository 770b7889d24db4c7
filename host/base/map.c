#include "lunexec/map.h"

#include "lunexec/mem.h"
#include "lunexec/rand.h"

#include <string.h>

struct entry {
    struct entry *bucket_next;  /* same bucket */
    struct entry *prev, *next;  /* insertion order */
    uint64_t hash;
    void *value;
    char key[];
};

struct lx_map {
    size_t max, count, n_buckets;
    struct entry **buckets;
    struct entry *first, *last;
    uint64_t seed;
    void (*release)(void *value);
};

/* FNV-1a from a random start, mixed at the end: enough against chosen keys within a bounded map. */
static uint64_t hash_of(const struct lx_map *map, const char *key)
{
    uint64_t h = map->seed;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    return (h * UINT64_C(0x9e3779b97f4a7c15)) ^ map->seed;
}

struct lx_map *lx_map_new(size_t max, void (*release)(void *value))
{
    struct lx_map *map = lx_alloc(sizeof *map);
    map->max = max;
    map->release = release;
    map->n_buckets = 16;
    map->buckets = lx_alloc_array(map->n_buckets, sizeof(struct entry *));
    if (lx_rand_bytes(&map->seed, sizeof map->seed, NULL) < 0)
        map->seed = UINT64_C(0xcbf29ce484222325);
    return map;
}

void lx_map_free(struct lx_map *map)
{
    if (!map)
        return;
    for (struct entry *e = map->first, *next; e; e = next) {
        next = e->next;
        if (map->release)
            map->release(e->value);
        free(e);
    }
    free(map->buckets);
    free(map);
}

static struct entry *find(const struct lx_map *map, const char *key, uint64_t hash)
{
    struct entry *e = map->buckets[hash & (map->n_buckets - 1)];
    while (e && (e->hash != hash || strcmp(e->key, key) != 0))
        e = e->bucket_next;
    return e;
}

static void grow(struct lx_map *map)
{
    size_t n = map->n_buckets * 2;
    free(map->buckets);
    map->buckets = lx_alloc_array(n, sizeof(struct entry *));
    map->n_buckets = n;
    for (struct entry *e = map->first; e; e = e->next) {
        struct entry **head = &map->buckets[e->hash & (n - 1)];
        e->bucket_next = *head;
        *head = e;
    }
}

bool lx_map_put(struct lx_map *map, const char *key, void *value)
{
    uint64_t hash = hash_of(map, key);
    struct entry *e = find(map, key, hash);
    if (e) {
        if (map->release && e->value != value)
            map->release(e->value);
        e->value = value;
        return true;
    }
    if (map->count >= map->max)
        return false;
    if (map->count >= map->n_buckets)
        grow(map);
    size_t len = strlen(key);
    e = lx_alloc(sizeof *e + len + 1);
    memcpy(e->key, key, len);
    e->hash = hash;
    e->value = value;
    struct entry **head = &map->buckets[hash & (map->n_buckets - 1)];
    e->bucket_next = *head;
    *head = e;
    e->prev = map->last;
    *(map->last ? &map->last->next : &map->first) = e;
    map->last = e;
    map->count++;
    return true;
}

void *lx_map_get(const struct lx_map *map, const char *key)
{
    const struct entry *e = find(map, key, hash_of(map, key));
    return e ? e->value : NULL;
}

void *lx_map_remove(struct lx_map *map, const char *key)
{
    uint64_t hash = hash_of(map, key);
    struct entry *e = find(map, key, hash);
    if (!e)
        return NULL;
    struct entry **at = &map->buckets[hash & (map->n_buckets - 1)];
    while (*at != e)
        at = &(*at)->bucket_next;
    *at = e->bucket_next;
    *(e->prev ? &e->prev->next : &map->first) = e->next;
    *(e->next ? &e->next->prev : &map->last) = e->prev;
    map->count--;
    void *value = e->value;
    free(e);
    return value;
}

size_t lx_map_count(const struct lx_map *map)
{
    return map->count;
}

void lx_map_each(const struct lx_map *map, void (*fn)(const char *key, void *value, void *arg),
                 void *arg)
{
    for (struct entry *e = map->first; e; e = e->next)
        fn(e->key, e->value, arg);
}
