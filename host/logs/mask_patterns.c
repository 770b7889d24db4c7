/*
 * From secrets to the list of patterns.
 */
#include "logs/mask_forms.h"

#include "lunexec/mem.h"

#include <string.h>

/*
 * Lines of a value shorter than this are not masked on their own: braces, "EOF" and the like would
 * hide half of a log, and what is left of the value without them says little.
 */
#define LINE_MIN 4
/* A single character would match everywhere. */
#define VALUE_MIN 2

static struct lx_pattern *next_slot(struct lx_patterns *patterns)
{
    if (patterns->n == patterns->cap) {
        size_t cap = patterns->cap ? patterns->cap * 2 : 64;
        struct lx_pattern *list = lx_alloc_array(cap, sizeof(*list));
        if (patterns->n > 0)
            memcpy(list, patterns->list, patterns->n * sizeof(*list));
        free(patterns->list);
        patterns->list = list;
        patterns->cap = cap;
    }
    return &patterns->list[patterns->n++];
}

int lx_patterns_add(struct lx_patterns *patterns, size_t secret, const char *text, size_t len,
                    size_t min, size_t max_bytes, struct lx_err *err)
{
    if (len < min)
        return 0;
    if (len > max_bytes - patterns->bytes)
        return lx_fail(err, LX_E_LIMIT, "the secrets to mask are too large together");
    *next_slot(patterns) = (struct lx_pattern){lx_strndup(text, len), len, secret};
    patterns->bytes += len;
    return 0;
}

void lx_patterns_done(struct lx_patterns *patterns)
{
    for (size_t i = 0; i < patterns->n; i++)
        lx_secret_free(patterns->list[i].text);
    free(patterns->list);
    *patterns = (struct lx_patterns){0};
}

/* ---- Order ---- */

static int by_text(const void *left, const void *right)
{
    const struct lx_pattern *a = left, *b = right;
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->text, b->text, len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* Merges the sorted halves [0, half) and [half, n); of equal ones the left comes first. */
static void merge(struct lx_pattern *list, struct lx_pattern *spare, size_t half, size_t n)
{
    size_t left = 0, right = half;
    memcpy(spare, list, n * sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        bool take_left = right == n || (left < half && by_text(&spare[left], &spare[right]) <= 0);
        list[i] = take_left ? spare[left++] : spare[right++];
    }
}

/* Stable, so that of equal patterns the first stays first. */
static void merge_sort(struct lx_pattern *list, struct lx_pattern *spare, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at + width < n; at += 2 * width) {
            size_t span = n - at < 2 * width ? n - at : 2 * width;
            merge(list + at, spare, width, span);
        }
    }
}

void lx_patterns_sort(struct lx_patterns *patterns)
{
    struct lx_pattern *spare = lx_alloc_array(patterns->n + 1, sizeof(*spare));
    merge_sort(patterns->list, spare, patterns->n);
    free(spare);

    size_t kept = 0;
    patterns->bytes = 0;
    for (size_t i = 0; i < patterns->n; i++) {
        struct lx_pattern *pattern = &patterns->list[i];
        if (kept > 0 && by_text(&patterns->list[kept - 1], pattern) == 0) {
            lx_secret_free(pattern->text);
            continue;
        }
        patterns->bytes += pattern->len;
        patterns->list[kept++] = *pattern;
    }
    patterns->n = kept;
}

/* ---- Secrets ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the blanks and line ends around it. */
static const char *trim(const char *text, size_t *len)
{
    while (*len > 0 && is_space(text[*len - 1]))
        (*len)--;
    while (*len > 0 && is_space(*text)) {
        text++;
        (*len)--;
    }
    return text;
}

/* One character of UTF-8, or none, says nothing worth hiding; nor do blanks. */
static bool is_maskable(const char *value)
{
    size_t len = strlen(value), characters = 0;
    const char *trimmed = trim(value, &len);
    for (size_t i = 0; i < len && characters < VALUE_MIN; i++) {
        if (((unsigned char)trimmed[i] & 0xc0) != 0x80)
            characters++;
    }
    return characters >= VALUE_MIN;
}

/* Where a job mounts a secret as a file, or echoes it, its lines turn up one by one. */
static int add_lines(struct lx_patterns *patterns, size_t secret, const char *value,
                     size_t max_bytes, struct lx_err *err)
{
    if (!strchr(value, '\n'))
        return 0;
    while (*value) {
        size_t len = strcspn(value, "\n"), bare = len;
        const char *next = value + len + (value[len] == '\n');
        if (bare > 0 && value[bare - 1] == '\r')
            bare--;
        size_t trimmed_len = bare;
        const char *trimmed = trim(value, &trimmed_len);
        if (lx_patterns_add(patterns, secret, value, bare, LINE_MIN, max_bytes, err) < 0 ||
            lx_patterns_add(patterns, secret, trimmed, trimmed_len, LINE_MIN, max_bytes, err) < 0)
            return -1;
        value = next;
    }
    return 0;
}

static int add_forms(struct lx_patterns *patterns, size_t secret, const char *value,
                     size_t max_bytes, struct lx_err *err)
{
    size_t len = strlen(value), bare = len;
    const char *trimmed = trim(value, &bare);
    if (lx_forms_add(patterns, secret, value, len, max_bytes, err) < 0)
        return -1;
    if (bare < len && bare >= VALUE_MIN &&
        (lx_patterns_add(patterns, secret, trimmed, bare, VALUE_MIN, max_bytes, err) < 0 ||
         lx_forms_add(patterns, secret, trimmed, bare, max_bytes, err) < 0))
        return -1;
    return add_lines(patterns, secret, value, max_bytes, err);
}

int lx_patterns_add_all(struct lx_patterns *patterns, const struct lx_secret *secrets, size_t n,
                        size_t max_bytes, size_t *ret_ignored, struct lx_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = secrets[i].value;
        if (!is_maskable(value))
            (*ret_ignored)++;
        else if (lx_patterns_add(patterns, i, value, strlen(value), VALUE_MIN, max_bytes, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (is_maskable(secrets[i].value) &&
            add_forms(patterns, i, secrets[i].value, max_bytes, err) < 0)
            return -1;
    }
    return 0;
}
