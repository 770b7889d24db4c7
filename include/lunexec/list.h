/*
 * Intrusive doubly linked list: the link lives in the element, nothing is allocated.
 */
#ifndef LUNEXEC_LIST_H
#define LUNEXEC_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct lx_list {
    struct lx_list *prev, *next;
};

/* The struct of `type` whose `member` is at `ptr`. */
#define lx_container_of(ptr, type, member)                                                         \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* A head, or an element in no list, points to itself. */
static inline void lx_list_init(struct lx_list *list)
{
    list->prev = list->next = list;
}

/* A head without elements, or an element in no list. */
static inline bool lx_list_empty(const struct lx_list *list)
{
    return list->next == list;
}

/* Appends `item`, which must be in no list. */
static inline void lx_list_push(struct lx_list *list, struct lx_list *item)
{
    item->prev = list->prev;
    item->next = list;
    list->prev->next = item;
    list->prev = item;
}

/* Takes `item` out of whatever list it is in; harmless if it is in none. */
static inline void lx_list_remove(struct lx_list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    lx_list_init(item);
}

/* Takes the first element out; NULL when empty. */
static inline struct lx_list *lx_list_shift(struct lx_list *list)
{
    struct lx_list *first = list->next;
    if (first == list)
        return NULL;
    lx_list_remove(first);
    return first;
}

/* Walks the links; the current element may be removed and freed in the body, the next one may not.
 */
#define lx_list_each(it, list)                                                                     \
    for (struct lx_list *it = (list)->next, *it##_next = it->next; it != (list);                   \
         it = it##_next, it##_next = it->next)

#endif
