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

/* 0, or -1 when the text is none. */
int lx_quantity_parse(const char *text, struct lx_quantity *ret_quantity);

/* A string or a number, as Kubernetes accepts both. */
int lx_quantity_of(const json_t *value, struct lx_quantity *ret_quantity);

/* Negative, 0 or positive. */
int lx_quantity_compare(struct lx_quantity a, struct lx_quantity b);

#endif
