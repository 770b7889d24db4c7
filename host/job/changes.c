#include "job/changes.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <string.h>

/* Bytes of a value that are shown, and of a path. */
#define VALUE_MAX ((size_t)80)
#define PATH_MAX_BYTES ((size_t)512)
/* Lists longer than this are compared item by item, whatever their items are called. */
#define NAMED_MAX 256

struct walk {
    struct lx_buf path;
    struct lx_buf *out;
    size_t n, max;
};

/* Takes what there is room for; the rest is not even written. */
static int take_text(const char *text, size_t len, void *arg)
{
    struct lx_buf *value = arg;
    size_t room = value->max - value->len;
    lx_buf_add(value, text, len < room ? len : room, NULL);
    return len < room ? 0 : -1;
}

static void put_value(struct lx_buf *out, const json_t *value)
{
    lx_auto(buf) struct lx_buf text = LX_BUF_INIT(VALUE_MAX);
    bool whole = json_dump_callback(value, take_text, &text, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
    size_t len = text.len;
    while (!whole && len > 0 && ((unsigned char)text.data[len - 1] & 0xc0) == 0x80)
        len--; /* not within a character */
    if (!whole && len > 0 && (unsigned char)text.data[len - 1] >= 0xc0)
        len--;
    lx_buf_add(out, text.data, len, NULL);
    lx_buf_adds(out, whole ? "" : "...", NULL);
}

static void cut(struct lx_buf *buf, size_t len)
{
    if (buf->len > len) {
        buf->len = len;
        buf->data[len] = '\0';
    }
}

/* One difference; NULL stands for what is not there. */
static void note(struct walk *walk, const json_t *from, const json_t *to)
{
    if (++walk->n > walk->max)
        return;
    lx_buf_addf(walk->out, NULL, "%s%s: ", walk->n > 1 ? "; " : "", lx_buf_str(&walk->path));
    if (from && to) {
        put_value(walk->out, from);
        lx_buf_adds(walk->out, " -> ", NULL);
        put_value(walk->out, to);
    } else if (to) {
        lx_buf_adds(walk->out, "added ", NULL);
        put_value(walk->out, to);
    } else {
        lx_buf_adds(walk->out, "removed", NULL);
    }
}

static void compare(struct walk *walk, const json_t *from, const json_t *to);

static void compare_member(struct walk *walk, const char *key, const json_t *from, const json_t *to)
{
    size_t len = walk->path.len;
    lx_buf_addf(&walk->path, NULL, "%s%s", len ? "." : "", key);
    compare(walk, from, to);
    cut(&walk->path, len);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of the names: that of a Lua table is another one in each process. */
static void compare_objects(struct walk *walk, const json_t *from, const json_t *to)
{
    size_t n = 0;
    const char **keys = lx_alloc_array(json_object_size(from) + json_object_size(to), sizeof *keys);
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)from, key, value)
        keys[n++] = key;
    json_object_foreach ((json_t *)(uintptr_t)to, key, value)
        if (!json_object_get(from, key))
            keys[n++] = key;
    if (n)
        qsort(keys, n, sizeof *keys, by_name);
    for (size_t i = 0; i < n; i++)
        compare_member(walk, keys[i], json_object_get(from, keys[i]), json_object_get(to, keys[i]));
    free(keys);
}

static bool has_names(const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item)
        if (!json_is_string(json_object_get(item, "name")))
            return false;
    return json_array_size(list) > 0;
}

static json_t *with_name(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item)
        if (lx_streq(lx_json_str(item, "name", NULL), name))
            return item;
    return NULL;
}

static void compare_item(struct walk *walk, const char *label, const json_t *from, const json_t *to)
{
    size_t len = walk->path.len;
    lx_buf_addf(&walk->path, NULL, "[%s]", label);
    compare(walk, from, to);
    cut(&walk->path, len);
}

static void compare_lists(struct walk *walk, const json_t *from, const json_t *to)
{
    size_t n = json_array_size(from), m = json_array_size(to);
    bool named = n <= NAMED_MAX && m <= NAMED_MAX && has_names(from) && has_names(to);
    for (size_t i = 0; i < (n > m ? n : m) && !named; i++) {
        lx_auto(str) char *label = lx_strf("%zu", i);
        compare_item(walk, label, json_array_get(from, i), json_array_get(to, i));
    }
    for (size_t i = 0; i < n && named; i++) {
        const char *name = lx_json_str(json_array_get(from, i), "name", NULL);
        compare_item(walk, name, json_array_get(from, i), with_name(to, name));
    }
    for (size_t i = 0; i < m && named; i++) {
        const char *name = lx_json_str(json_array_get(to, i), "name", NULL);
        if (!with_name(from, name))
            compare_item(walk, name, NULL, json_array_get(to, i));
    }
}

static void compare(struct walk *walk, const json_t *from, const json_t *to)
{
    if (json_is_object(from) && json_is_object(to))
        compare_objects(walk, from, to);
    else if (json_is_array(from) && json_is_array(to))
        compare_lists(walk, from, to);
    else if (!from || !to || !json_equal(from, to))
        note(walk, from, to);
}

size_t lx_changes(const json_t *from, const json_t *to, size_t max, struct lx_buf *out)
{
    struct walk walk = {.path = LX_BUF_INIT(PATH_MAX_BYTES), .out = out, .max = max};
    compare(&walk, from, to);
    if (walk.n > max)
        lx_buf_addf(out, NULL, "; and %zu more", walk.n - max);
    lx_buf_done(&walk.path);
    return walk.n;
}
