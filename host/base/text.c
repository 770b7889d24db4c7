#include "lunexec/text.h"

#include <stdlib.h>
#include <string.h>

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
    size_t len = strlen(text), suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

char **lx_split(const char *text, char sep)
{
    size_t count = 1;
    for (const char *p = text; *p; p++)
        count += *p == sep;
    char **strv = lx_alloc_array(count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const char *end = text;
        while (*end && *end != sep)
            end++;
        strv[i] = lx_strndup(text, (size_t)(end - text));
        text = end + 1;
    }
    return strv;
}

void lx_strv_wipe(char **strv)
{
    for (char **p = strv; p && *p; p++)
        lx_secret_free(*p);
    free(strv);
}

void lx_strv_free(char **strv)
{
    if (!strv)
        return;
    for (char **p = strv; *p; p++)
        free(*p);
    free(strv);
}

size_t lx_strv_len(char *const *strv)
{
    size_t len = 0;
    while (strv && strv[len])
        len++;
    return len;
}

int lx_shell_quote(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    size_t before = out->len;
    const char *end = text + len;
    if (len && memchr(text, '\0', len))
        return lx_fail(err, LX_E_INVALID, "a shell word cannot contain a NUL byte");
    if (lx_buf_addc(out, '\'', err) < 0)
        return -1;
    while (text < end) {
        const char *quote = memchr(text, '\'', (size_t)(end - text));
        const char *stop = quote ? quote : end;
        if (lx_buf_add(out, text, (size_t)(stop - text), err) < 0 ||
            (quote && lx_buf_adds(out, "'\"'\"'", err) < 0))
            goto fail;
        text = quote ? quote + 1 : end;
    }
    if (lx_buf_addc(out, '\'', err) == 0)
        return 0;
fail:
    out->len = before;
    out->data[before] = '\0';
    return -1;
}

size_t lx_edit_distance(const char *a, const char *b, size_t limit)
{
    size_t alen = strlen(a), blen = strlen(b);
    if ((alen > blen ? alen - blen : blen - alen) > limit)
        return limit + 1;
    size_t *row = lx_alloc_array(blen + 1, sizeof(size_t));
    for (size_t j = 0; j <= blen; j++)
        row[j] = j;
    for (size_t i = 1; i <= alen; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= blen; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    size_t distance = row[blen];
    free(row);
    return distance <= limit ? distance : limit + 1;
}
