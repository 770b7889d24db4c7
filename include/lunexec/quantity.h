/*
 * Kubernetes quantities ("12Gi", "500m", "1e3"), compared exactly.
 */
#ifndef LUNEXEC_QUANTITY_H
#define LUNEXEC_QUANTITY_H

#include "lunexec/json.h"

/* In nano-units; what is larger than it can hold stays at the largest value, what is smaller than
 * a nano-unit counts as one, as Kubernetes rounds. */
struct lx_quantity {
    __int128 nanos;
};

/* A number with an optional sign, fraction and suffix. 0, or -1 with the result untouched when the
 * text is none. */
int lx_quantity_parse(const char *text, struct lx_quantity *ret_quantity);

/* The same of a value that is a string or a number, as Kubernetes accepts both. */
int lx_quantity_of(const json_t *value, struct lx_quantity *ret_quantity);

/* -1 when `a` is less than `b`, 0 when they are equal, 1 when it is more. */
int lx_quantity_compare(struct lx_quantity a, struct lx_quantity b);

#endif
