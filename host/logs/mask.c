/*
 * Compiles secrets into the automaton, and masks whole texts.
 */
#include "logs/mask_priv.h"

#include "lunexec/mem.h"

#include <string.h>

/* A node costs 17 bytes, and 8 more while it is built. */
#define AUTOMATON_MAX ((size_t)64 * 1024 * 1024)
#define PATTERN_BYTES_MAX (AUTOMATON_MAX / 25)

uint32_t lx_mask_child(const struct lx_mask *mask, uint32_t node, uint8_t byte)
{
    uint32_t first = mask->child[node], end = mask->child[node + 1];
    if (first == end)
        return LX_MASK_DEAD;
    if (mask->label[first] == byte)
        return first;
    const uint8_t *hit = memchr(mask->label + first, byte, end - first);
    return hit ? (uint32_t)(hit - mask->label) : LX_MASK_DEAD;
}

/* The patterns (a range of the sorted list) whose text begins with a node's. */
struct range {
    uint32_t begin, end;
};

/* Appends the children of `node`; n_nodes is where the next one goes. */
static void grow_children(struct lx_mask *mask, const struct lx_patterns *patterns,
                          struct range *ranges, uint32_t node)
{
    struct range range = ranges[node];
    uint32_t depth = mask->depth[node], at = range.begin;
    if (at < range.end && patterns->list[at].len == depth) {
        mask->match[node] = at + 1;
        at++;
    }
    mask->child[node] = mask->n_nodes;
    while (at < range.end) {
        uint8_t byte = (uint8_t)patterns->list[at].text[depth];
        uint32_t begin = at;
        while (at < range.end && (uint8_t)patterns->list[at].text[depth] == byte)
            at++;
        uint32_t child = mask->n_nodes++;
        ranges[child] = (struct range){begin, at};
        mask->label[child] = byte;
        mask->depth[child] = depth + 1;
    }
    mask->child[node + 1] = mask->n_nodes;
}

static void grow_trie(struct lx_mask *mask, const struct lx_patterns *patterns)
{
    size_t max_nodes = patterns->bytes + 2;
    mask->child = lx_alloc_array(max_nodes + 1, sizeof(*mask->child));
    mask->fallback = lx_alloc_array(max_nodes, sizeof(*mask->fallback));
    mask->depth = lx_alloc_array(max_nodes, sizeof(*mask->depth));
    mask->match = lx_alloc_array(max_nodes, sizeof(*mask->match));
    mask->label = lx_alloc_array(max_nodes, sizeof(*mask->label));

    struct range *ranges = lx_alloc_array(max_nodes, sizeof(*ranges));
    ranges[LX_MASK_ROOT] = (struct range){0, (uint32_t)patterns->n};
    mask->n_nodes = 1;
    for (uint32_t node = 0; node < mask->n_nodes; node++)
        grow_children(mask, patterns, ranges, node);
    free(ranges);
}

/* Where to go on when `parent` has no way on for the byte that leads to its child. */
static uint32_t find_fallback(const struct lx_mask *mask, uint32_t parent, uint8_t byte)
{
    if (parent == LX_MASK_ROOT)
        return LX_MASK_ROOT;
    for (uint32_t at = mask->fallback[parent]; at != LX_MASK_DEAD; at = mask->fallback[at]) {
        uint32_t child = lx_mask_child(mask, at, byte);
        if (child != LX_MASK_DEAD)
            return child;
        if (at == LX_MASK_ROOT)
            return LX_MASK_ROOT;
    }
    return LX_MASK_DEAD;
}

/*
 * In breadth-first order, as each needs those of shallower nodes. A node at or below one that ends
 * a pattern falls to DEAD; one that ends none takes over the match of its fallback, which starts
 * later than the node's own text.
 */
static void link_fallbacks(struct lx_mask *mask)
{
    bool *matched = lx_alloc_array(mask->n_nodes, sizeof(*matched));
    for (uint32_t parent = 0; parent < mask->n_nodes; parent++) {
        for (uint32_t node = mask->child[parent]; node < mask->child[parent + 1]; node++) {
            matched[node] = matched[parent] || mask->match[node];
            uint32_t fallback = LX_MASK_DEAD;
            if (!matched[node])
                fallback = find_fallback(mask, parent, mask->label[node]);
            mask->fallback[node] = fallback;
            if (fallback != LX_MASK_DEAD)
                mask->match[node] = mask->match[fallback];
        }
    }
    free(matched);
}

static void filter_set(struct lx_mask *mask, uint32_t three_bytes)
{
    uint32_t bit = lx_mask_hash(three_bytes);
    mask->filter[bit / 8] |= (uint8_t)(1u << (bit % 8));
}

static void fill_filter(struct lx_mask *mask, const struct lx_patterns *patterns)
{
    for (size_t i = 0; i < patterns->n; i++) {
        const uint8_t *text = (const uint8_t *)patterns->list[i].text;
        uint32_t two = text[0] | (uint32_t)text[1] << 8;
        if (patterns->list[i].len >= LX_MASK_FILTER_BYTES) {
            filter_set(mask, two | (uint32_t)text[2] << 16);
            continue;
        }
        for (uint32_t third = 0; third < 256; third++)
            filter_set(mask, two | third << 16);
    }
}

static void keep_patterns(struct lx_mask *mask, const struct lx_patterns *patterns)
{
    mask->n_patterns = (uint32_t)patterns->n;
    mask->pattern_len = lx_alloc_array(patterns->n + 1, sizeof(*mask->pattern_len));
    mask->pattern_secret = lx_alloc_array(patterns->n + 1, sizeof(*mask->pattern_secret));
    for (size_t i = 0; i < patterns->n; i++) {
        mask->pattern_len[i] = (uint32_t)patterns->list[i].len;
        mask->pattern_secret[i] = (uint32_t)patterns->list[i].secret;
        if (mask->longest < patterns->list[i].len)
            mask->longest = patterns->list[i].len;
    }
}

static void keep_replacements(struct lx_mask *mask, const struct lx_secret *secrets, size_t n)
{
    mask->n_secrets = n;
    mask->replacement = lx_alloc_array(n + 1, sizeof(*mask->replacement));
    mask->replacement_len = lx_alloc_array(n + 1, sizeof(*mask->replacement_len));
    for (size_t i = 0; i < n; i++) {
        mask->replacement[i] = lx_strdup(secrets[i].replacement ? secrets[i].replacement : "");
        mask->replacement_len[i] = strlen(mask->replacement[i]);
    }
}

int lx_mask_new(const struct lx_secret *secrets, size_t n, struct lx_mask **ret_mask,
                size_t *ret_ignored, struct lx_err *err)
{
    struct lx_patterns patterns = {0};
    size_t ignored = 0;
    if (lx_patterns_add_all(&patterns, secrets, n, PATTERN_BYTES_MAX, &ignored, err) < 0) {
        lx_patterns_done(&patterns);
        return -1;
    }
    lx_patterns_sort(&patterns);

    struct lx_mask *mask = lx_alloc(sizeof(*mask));
    keep_replacements(mask, secrets, n);
    keep_patterns(mask, &patterns);
    grow_trie(mask, &patterns);
    link_fallbacks(mask);
    fill_filter(mask, &patterns);
    for (uint32_t byte = 0; byte < 256; byte++)
        mask->root[byte] = lx_mask_child(mask, LX_MASK_ROOT, (uint8_t)byte);
    lx_patterns_done(&patterns);

    if (ret_ignored)
        *ret_ignored = ignored;
    *ret_mask = mask;
    return 0;
}

void lx_mask_free(struct lx_mask *mask)
{
    if (!mask)
        return;
    for (size_t i = 0; i < mask->n_secrets; i++)
        free(mask->replacement[i]);
    free(mask->replacement);
    free(mask->replacement_len);
    free(mask->pattern_len);
    free(mask->pattern_secret);
    free(mask->child);
    free(mask->fallback);
    free(mask->depth);
    free(mask->match);
    if (mask->label)
        explicit_bzero(mask->label, mask->n_nodes);
    free(mask->label);
    free(mask);
}

void lx_mask_use_tokens(struct lx_mask *mask, const struct lx_tokens *tokens)
{
    mask->tokens = tokens;
}

int lx_mask_text(const struct lx_mask *mask, const char *text, size_t len, struct lx_buf *out,
                 struct lx_err *err)
{
    struct lx_mask_stream *stream = lx_mask_stream_new(mask);
    int rc = lx_mask_feed(stream, text, len, out, err);
    if (rc == 0)
        rc = lx_mask_flush(stream, out, err);
    lx_mask_stream_free(stream);
    return rc;
}

char *lx_mask_strdup(const struct lx_mask *mask, const char *text)
{
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(SIZE_MAX / 2);
    int rc = lx_mask_text(mask, text, strlen(text), &out, NULL);
    lx_assert(rc == 0);
    return lx_buf_take(&out);
}
