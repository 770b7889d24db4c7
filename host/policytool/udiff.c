#include "tool.h"

#include "lunexec/text.h"

#include <string.h>

#define CONTEXT 3
/* Pairs of lines to compare; beyond, all of the middle counts as replaced. */
#define PAIRS_MAX ((size_t)16 * 1024 * 1024)

struct line {
    char op; /* ' ', '-', '+' */
    const char *text;
};

struct script {
    struct line *lines;
    size_t n;
};

static void put(struct script *script, char op, const char *text)
{
    script->lines[script->n++] = (struct line){op, text};
}

/* Longest common subsequence of what lies between the common beginning and end. */
static void compare_middle(struct script *script, char **a, size_t n, char **b, size_t m)
{
    bool small = n == 0 || (m + 1) <= PAIRS_MAX / (n + 1);
    size_t i = 0, j = 0, width = m + 1;
    uint32_t *length = lx_alloc_array(small ? (n + 1) * width : 1, sizeof *length);
    for (size_t x = n; small && x-- > 0;) {
        for (size_t y = m; y-- > 0;) {
            uint32_t down = length[(x + 1) * width + y], right = length[x * width + y + 1];
            bool same = lx_streq(a[x], b[y]);
            length[x * width + y] = same           ? length[(x + 1) * width + y + 1] + 1
                                    : down > right ? down
                                                   : right;
        }
    }
    while (i < n && j < m && small) {
        if (lx_streq(a[i], b[j])) {
            put(script, ' ', a[i++]);
            j++;
        } else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) {
            put(script, '-', a[i++]);
        } else {
            put(script, '+', b[j++]);
        }
    }
    while (i < n)
        put(script, '-', a[i++]);
    while (j < m)
        put(script, '+', b[j++]);
    free(length);
}

static void compare(struct script *script, char **a, size_t n, char **b, size_t m)
{
    size_t head = 0, tail = 0;
    while (head < n && head < m && lx_streq(a[head], b[head]))
        put(script, ' ', a[head++]);
    while (tail < n - head && tail < m - head && lx_streq(a[n - 1 - tail], b[m - 1 - tail]))
        tail++;
    compare_middle(script, a + head, n - head - tail, b + head, m - head - tail);
    for (size_t i = n - tail; i < n; i++)
        put(script, ' ', a[i]);
}

/* Where the hunk that begins at a change ends: after it, two contexts are unchanged. */
static size_t hunk_end(const struct script *script, size_t at)
{
    size_t last = at;
    for (size_t i = at; i < script->n && i <= last + 2 * CONTEXT + 1; i++) {
        if (script->lines[i].op != ' ')
            last = i;
    }
    return last + CONTEXT + 1 < script->n ? last + CONTEXT + 1 : script->n;
}

static int write_hunk(const struct script *script, size_t from, size_t to, struct lx_buf *out,
                      struct lx_err *err)
{
    size_t old_at = 1, new_at = 1, old_n = 0, new_n = 0;
    for (size_t i = 0; i < to; i++) {
        size_t is_old = script->lines[i].op != '+', is_new = script->lines[i].op != '-';
        *(i < from ? &old_at : &old_n) += is_old;
        *(i < from ? &new_at : &new_n) += is_new;
    }
    if (lx_buf_addf(out, err, "@@ -%zu,%zu +%zu,%zu @@\n", old_n ? old_at : old_at - 1, old_n,
                    new_n ? new_at : new_at - 1, new_n) < 0)
        return -1;
    for (size_t i = from; i < to; i++) {
        if (lx_buf_addc(out, script->lines[i].op, err) < 0 ||
            lx_buf_adds(out, script->lines[i].text, err) < 0 || lx_buf_addc(out, '\n', err) < 0)
            return -1;
    }
    return 0;
}

static int write_hunks(const struct script *script, struct lx_buf *out, struct lx_err *err)
{
    for (size_t i = 0; i < script->n; i++) {
        if (script->lines[i].op == ' ')
            continue;
        size_t to = hunk_end(script, i);
        if (write_hunk(script, i > CONTEXT ? i - CONTEXT : 0, to, out, err) < 0)
            return -1;
        i = to - 1;
    }
    return 0;
}

/* Lines without the empty piece behind the last line feed. */
static char **split_lines(const char *text, size_t *ret_n)
{
    char **lines = lx_split(text, '\n');
    *ret_n = lx_strv_len(lines);
    if (*ret_n > 0 && !*lines[*ret_n - 1])
        (*ret_n)--;
    return lines;
}

int lx_tool_diff(const char *old_name, const char *old_text, const char *new_name,
                 const char *new_text, struct lx_buf *out, struct lx_err *err)
{
    size_t n, m;
    if (lx_streq(old_text, new_text))
        return 0;
    lx_auto(strv) char **a = split_lines(old_text, &n);
    lx_auto(strv) char **b = split_lines(new_text, &m);
    struct script script = {.lines = lx_alloc_array(n + m + 1, sizeof *script.lines)};
    compare(&script, a, n, b, m);
    int result = lx_buf_addf(out, err, "--- %s\n+++ %s\n", old_name, new_name);
    if (result == 0)
        result = write_hunks(&script, out, err);
    free(script.lines);
    return result;
}
