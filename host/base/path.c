#include "lunexec/text.h"

#include <string.h>

/* Removes the last element of out[0..len), of which the first `floor` bytes stay. */
static size_t drop_last(const char *out, size_t len, size_t floor)
{
    while (len > floor && out[len - 1] != '/')
        len--;
    if (len > floor)
        len--;
    return len;
}

char *lx_path_clean(const char *path)
{
    bool rooted = path[0] == '/';
    /* The result is never longer, except that "" becomes ".". */
    char *out = lx_alloc(strlen(path) + 2);
    size_t len = 0;
    if (rooted)
        out[len++] = '/';
    size_t floor = len; /* before this, nothing that ".." could take back */
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            if (len > floor) {
                len = drop_last(out, len, floor);
            } else if (!rooted) {
                if (len)
                    out[len++] = '/';
                out[len++] = '.';
                out[len++] = '.';
                floor = len;
            }
        } else if (n && !(n == 1 && path[0] == '.')) {
            if (len && out[len - 1] != '/')
                out[len++] = '/';
            memcpy(out + len, path, n);
            len += n;
        }
        path += n;
        if (*path)
            path++;
    }
    if (len == 0)
        out[len++] = '.';
    out[len] = '\0';
    return out;
}

char *lx_path_join(const char *a, const char *b)
{
    if (!*a || !*b)
        return lx_path_clean(*a ? a : b);
    lx_auto(str) char *joined = lx_strf("%s/%s", a, b);
    return lx_path_clean(joined);
}
