#include "lunexec/text.h"

#include <string.h>

LX_DEFINE_AUTO(sizes, size_t *, free)

bool lx_streq(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool lx_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool lx_ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), n = strlen(suffix);
    return len >= n && memcmp(text + len - n, suffix, n) == 0;
}

char **lx_split(const char *text, char sep)
{
    size_t n = 1;
    for (const char *p = text; *p; p++)
        n += *p == sep;
    char **pieces = lx_alloc_array(n + 1, sizeof *pieces);
    for (size_t i = 0; i < n; i++) {
        const char *end = strchr(text, sep);
        size_t len = end ? (size_t)(end - text) : strlen(text);
        pieces[i] = lx_strndup(text, len);
        text += len + (end ? 1 : 0);
    }
    return pieces;
}

void lx_strv_free(char **strv)
{
    for (char **it = strv; it && *it; it++)
        free(*it);
    free(strv);
}

size_t lx_strv_len(char *const *strv)
{
    size_t n = 0;
    while (strv && strv[n])
        n++;
    return n;
}

int lx_shell_quote(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    if (lx_buf_addc(out, '\'', err) < 0)
        return -1;
    while (len > 0) {
        const char *quote = memchr(text, '\'', len);
        size_t n = quote ? (size_t)(quote - text) : len;
        if (lx_buf_add(out, text, n, err) < 0 ||
            (quote && lx_buf_adds(out, "'\"'\"'", err) < 0))
            return -1;
        n += quote ? 1 : 0;
        text += n;
        len -= n;
    }
    return lx_buf_addc(out, '\'', err);
}

char *lx_path_clean(const char *path)
{
    bool rooted = *path == '/';
    size_t len = strlen(path), out = 0, floor;
    char *clean = lx_alloc(len + 2);
    if (rooted)
        clean[out++] = '/';
    floor = out; /* ".." cannot go back beyond here */
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.' && out > floor) {
            while (out > floor && clean[out - 1] != '/')
                out--;
            if (out > floor)
                out--;
        } else if (n > 0 && !(n == 1 && at[0] == '.') && !(n == 2 && at[0] == '.' &&
                                                           at[1] == '.' && rooted)) {
            if (out > 0 && clean[out - 1] != '/')
                clean[out++] = '/';
            memcpy(clean + out, at, n);
            out += n;
            if (n == 2 && at[0] == '.' && at[1] == '.')
                floor = out;
        }
        at += n + (at[n] == '/' ? 1 : 0);
    }
    if (out == 0)
        clean[out++] = '.';
    clean[out] = '\0';
    return clean;
}

char *lx_path_join(const char *a, const char *b)
{
    lx_auto(str) char *joined = lx_strf("%s%s%s", a, *a && *b ? "/" : "", b);
    return lx_path_clean(joined);
}

size_t lx_edit_distance(const char *a, const char *b, size_t limit)
{
    size_t n = strlen(a), m = strlen(b);
    if ((n > m ? n - m : m - n) > limit)
        return limit + 1;
    lx_auto(sizes) size_t *row = lx_alloc_array(m + 1, sizeof *row);
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[m] > limit ? limit + 1 : row[m];
}
