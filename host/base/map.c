#include "lunexec/map.h"

#include "lunexec/clock.h"
#include "lunexec/list.h"
#include "lunexec/mem.h"
#include "lunexec/rand.h"

#include <stdint.h>
#include <string.h>

struct entry {
    struct lx_list order;
    struct entry *next; /* in the same bucket */
    uint64_t hash;
    void *value;
    char key[];
};

struct lx_map {
    struct lx_list order;
    struct entry **buckets;
    size_t mask; /* number of buckets - 1, a power of two - 1 */
    size_t count, max;
    uint64_t seed[2];
    void (*release)(void *value);
};

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

/* SipHash-1-3 of the key under the map's seed. */
static uint64_t hash_key(const struct lx_map *map, const char *key)
{
    size_t len = strlen(key);
    struct sip s = {
        map->seed[0] ^ 0x736f6d6570736575u,
        map->seed[1] ^ 0x646f72616e646f6du,
        map->seed[0] ^ 0x6c7967656e657261u,
        map->seed[1] ^ 0x7465646279746573u,
    };
    uint64_t last = (uint64_t)len << 56;
    for (size_t left = len;; key += 8, left -= 8) {
        uint64_t word = 0;
        memcpy(&word, key, left < 8 ? left : 8);
        if (left < 8)
            word |= last;
        s.d ^= word;
        sip_round(&s);
        s.a ^= word;
        if (left < 8)
            break;
    }
    s.c ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

struct lx_map *lx_map_new(size_t max, void (*release)(void *value))
{
    struct lx_map *map = lx_alloc(sizeof(*map));
    lx_list_init(&map->order);
    map->mask = 7;
    map->buckets = lx_alloc_array(map->mask + 1, sizeof(struct entry *));
    map->max = max;
    map->release = release;
    if (lx_rand_bytes(map->seed, sizeof(map->seed), NULL) < 0) {
        map->seed[0] = lx_now_ns();
        map->seed[1] = (uint64_t)(uintptr_t)map;
    }
    return map;
}

void lx_map_free(struct lx_map *map)
{
    if (!map)
        return;
    lx_list_each (it, &map->order) {
        struct entry *entry = lx_container_of(it, struct entry, order);
        if (map->release)
            map->release(entry->value);
        free(entry);
    }
    free(map->buckets);
    free(map);
}

/* The place that points to the entry with this key, or the NULL at the end of its bucket. */
static struct entry **find(const struct lx_map *map, const char *key, uint64_t hash)
{
    struct entry **at = &map->buckets[hash & map->mask];
    while (*at && ((*at)->hash != hash || strcmp((*at)->key, key) != 0))
        at = &(*at)->next;
    return at;
}

static void rehash(struct lx_map *map)
{
    free(map->buckets);
    map->mask = map->mask * 2 + 1;
    map->buckets = lx_alloc_array(map->mask + 1, sizeof(struct entry *));
    lx_list_each (it, &map->order) {
        struct entry *entry = lx_container_of(it, struct entry, order);
        entry->next = map->buckets[entry->hash & map->mask];
        map->buckets[entry->hash & map->mask] = entry;
    }
}

bool lx_map_put(struct lx_map *map, const char *key, void *value)
{
    uint64_t hash = hash_key(map, key);
    struct entry *entry = *find(map, key, hash);
    if (entry) {
        void *old = entry->value;
        entry->value = value;
        if (map->release && old != value)
            map->release(old);
        return true;
    }
    if (map->count >= map->max)
        return false;
    if (map->count > map->mask)
        rehash(map);
    size_t size = strlen(key) + 1;
    entry = lx_alloc(sizeof(*entry) + size);
    memcpy(entry->key, key, size);
    entry->hash = hash;
    entry->value = value;
    lx_list_init(&entry->order);
    lx_list_push(&map->order, &entry->order);
    *find(map, key, hash) = entry;
    map->count++;
    return true;
}

void *lx_map_get(const struct lx_map *map, const char *key)
{
    struct entry *entry = *find(map, key, hash_key(map, key));
    return entry ? entry->value : NULL;
}

void *lx_map_remove(struct lx_map *map, const char *key)
{
    struct entry **at = find(map, key, hash_key(map, key));
    struct entry *entry = *at;
    if (!entry)
        return NULL;
    void *value = entry->value;
    *at = entry->next;
    lx_list_remove(&entry->order);
    free(entry);
    map->count--;
    return value;
}

size_t lx_map_count(const struct lx_map *map)
{
    return map->count;
}

void lx_map_each (const struct lx_map *map, void (*fn)(const char *key, void *value, void *arg),
                  void *arg)
{
    lx_list_each (it, &map->order) {
        struct entry *entry = lx_container_of(it, struct entry, order);
        fn(entry->key, entry->value, arg);
    }
}
