/*
 * The inside of masking: forms of secrets, and the automaton that finds them.
 */
#ifndef LX_LOGS_MASK_PRIV_H
#define LX_LOGS_MASK_PRIV_H

#include "lunexec/mask.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- Forms ---- */

struct lx_pattern {
    char *text;
    size_t len;
    size_t secret; /* index of the secret it stands for */
};

/* All patterns in order of precedence: of equal ones the first counts. */
struct lx_patterns {
    struct lx_pattern *list;
    size_t n, cap;
    size_t bytes; /* of text in all */
};

/* Appends the values themselves and then their other forms. LX_E_LIMIT beyond `max_bytes`. */
int lx_patterns_add_all(struct lx_patterns *patterns, const struct lx_secret *secrets, size_t n,
                        size_t max_bytes, size_t *ret_ignored, struct lx_err *err);
/* Appends one pattern (copied), unless it is shorter than `min`. */
int lx_patterns_add(struct lx_patterns *patterns, size_t secret, const char *text, size_t len,
                    size_t min, size_t max_bytes, struct lx_err *err);
/* Orders by text; equal texts are made one. */
void lx_patterns_sort(struct lx_patterns *patterns);
void lx_patterns_done(struct lx_patterns *patterns);

/* ---- The automaton ---- */

#define LX_MASK_ROOT 0u
#define LX_MASK_DEAD UINT32_MAX /* as fallback: the match found so far is the one */

/* 2^16 bits: whether three bytes can begin a pattern. */
#define LX_MASK_FILTER_BITS 16
#define LX_MASK_FILTER_BYTES 3

/*
 * A trie in breadth-first order, so that the children of a node are neighbours: those of node s are
 * child[s] up to child[s + 1]. `fallback` leads to the node of the longest proper suffix, but not
 * past a match: once a pattern has been found no later start may win (leftmost, then longest).
 */
struct lx_mask {
    uint32_t n_nodes;
    uint32_t *child; /* n_nodes + 1 */
    uint32_t *fallback;
    uint32_t *depth;
    uint32_t *match;    /* pattern that ends here + 1, 0 for none */
    uint8_t *label;     /* the byte that leads here */
    uint32_t root[256]; /* the root's children by byte, LX_MASK_DEAD where there is none */
    uint8_t filter[(1u << LX_MASK_FILTER_BITS) / 8];

    uint32_t n_patterns;
    uint32_t *pattern_len;
    uint32_t *pattern_secret;
    size_t n_secrets;
    char **replacement; /* by secret */
    size_t *replacement_len;
    size_t longest;

    const struct lx_tokens *tokens; /* borrowed; NULL: none */
};

/* The bit of `filter` for three bytes. */
static inline uint32_t lx_mask_hash(uint32_t three_bytes)
{
    return (three_bytes * 2654435761u) >> (32 - LX_MASK_FILTER_BITS);
}

/* The child of `node` for a byte, or LX_MASK_DEAD. */
uint32_t lx_mask_child(const struct lx_mask *mask, uint32_t node, uint8_t byte);

#endif
