/*
 * A map from strings to pointers, with a stated maximum. Seeded hash, so that keys a peer chooses
 * cannot make it slow. Iteration is in insertion order.
 */
#ifndef LUNEXEC_MAP_H
#define LUNEXEC_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct lx_map;

/* An empty map of at most `max` entries. `release` (may be NULL) is called for each value that is
 * replaced by another one, or left when the map is freed. */
struct lx_map *lx_map_new(size_t max, void (*release)(void *value));
void lx_map_free(struct lx_map *map);

/* Stores under a copy of `key`; the map owns the value from now on. A key that is there keeps its
 * place in the order. false when the map is full (the value stays the caller's). */
bool lx_map_put(struct lx_map *map, const char *key, void *value);

/* The value, which stays the map's; NULL if absent. */
void *lx_map_get(const struct lx_map *map, const char *key);

/* Removes the entry and hands its value to the caller, not released; NULL if absent. */
void *lx_map_remove(struct lx_map *map, const char *key);

/* How many entries there are. */
size_t lx_map_count(const struct lx_map *map);

/* Calls `fn` for each entry before it returns; `fn` must not add or remove entries. */
void lx_map_each (const struct lx_map *map, void (*fn)(const char *key, void *value, void *arg),
                  void *arg);

#endif
