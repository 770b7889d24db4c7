/*
 * Metric families from several expositions, brought together: in the text that is sent on a family
 * may stand only once (contract 10).
 */
#ifndef LX_APP_FAMILIES_H
#define LX_APP_FAMILIES_H

#include "lunexec/buf.h"

struct lx_families;

/* None yet. The caller frees it. */
struct lx_families *lx_families_new(void);
void lx_families_free(struct lx_families *families);

/* Takes in an exposition (Prometheus text format). Left out are: families about the exporter itself
 * (go_, promhttp_, process_) and names of ours (src_, lunexec_), a family that came before with
 * another type, lines that make no sense (one of those would spoil the whole text for the reader),
 * and what does not fit into 2 MiB in all. `label` ("name=\"value\"") is added to every sample;
 * NULL: none. */
void lx_families_add(struct lx_families *families, const char *text, size_t len, const char *label);

/* Appends them all, in the order in which they came. LX_E_LIMIT, LX_E_IO; a part may be there. */
int lx_families_write(const struct lx_families *families, struct lx_buf *out, struct lx_err *err);

#endif
