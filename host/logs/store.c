#include "logs/store.h"

#include "logs/spool.h"

#include "lunexec/mem.h"

#include <inttypes.h>
#include <string.h>

/* Once a log is in files, what each further spool gathers in memory. */
#define SMALL_MEMORY ((size_t)32 * 1024)
#define UNLIMITED_PIECE ((size_t)64 * 1024)

/* A spool with what it holds; shared by the store and its view. */
struct part {
    struct lx_spool *spool;
    unsigned refs;
    uint64_t bytes, lines; /* before prefix and escaping */
    bool starts_line;
};

/* A view: the parts with the notice after the first, one after another. */
#define VIEW_PARTS 3
struct view {
    struct part *part[VIEW_PARTS]; /* head, and the two of the tail; NULL: none */
    uint64_t len[VIEW_PARTS];
    char *notice; /* between the head and the rest; "" while nothing is missing */
    char *ending; /* after all; "" while the log can go on */
};

struct lx_store {
    char *dir;
    size_t memory_max;
    uint64_t limit;
    struct part *head;
    struct part *older, *newer; /* of the tail; the older is dropped when the newer is full */
    struct lx_spool_budget *budget;
    bool head_full, head_ends_line;
    bool ends_line; /* what was appended last */
    uint64_t dropped_bytes, dropped_lines;
    char *notice, *ending;
    struct view view;
};

static struct part *part_new(const struct lx_store *store, size_t memory_max, bool starts_line)
{
    struct part *part = lx_alloc(sizeof(*part));
    part->spool = lx_spool_new(store->dir, memory_max, store->budget);
    part->refs = 1;
    part->starts_line = starts_line;
    return part;
}

static struct part *part_ref(struct part *part)
{
    if (part)
        part->refs++;
    return part;
}

static void part_unref(struct part *part)
{
    if (!part || --part->refs > 0)
        return;
    lx_spool_free(part->spool);
    free(part);
}

static uint64_t part_len(const struct part *part)
{
    return part ? lx_spool_len(part->spool) : 0;
}

struct lx_store *lx_store_new(const char *dir, size_t memory_max, uint64_t limit,
                              struct lx_spool_budget *budget)
{
    struct lx_store *store = lx_alloc(sizeof(*store));
    store->dir = lx_strdup(dir);
    store->memory_max = memory_max;
    store->limit = limit > 0 && limit < LX_STORE_LIMIT_MIN ? LX_STORE_LIMIT_MIN : limit;
    store->budget = budget;
    store->head = part_new(store, memory_max, true);
    store->head_ends_line = store->ends_line = true;
    store->notice = lx_strdup("");
    store->ending = lx_strdup("");
    store->view.notice = lx_strdup("");
    store->view.ending = lx_strdup("");
    return store;
}

static void view_done(struct view *view)
{
    for (size_t i = 0; i < VIEW_PARTS; i++)
        part_unref(view->part[i]);
    free(view->notice);
    free(view->ending);
}

void lx_store_free(struct lx_store *store)
{
    if (!store)
        return;
    view_done(&store->view);
    part_unref(store->head);
    part_unref(store->older);
    part_unref(store->newer);
    free(store->notice);
    free(store->ending);
    free(store->dir);
    free(store);
}

size_t lx_store_piece_max(const struct lx_store *store)
{
    uint64_t quarter = store->limit / 4;
    return store->limit > 0 && quarter < UNLIMITED_PIECE ? (size_t)quarter : UNLIMITED_PIECE;
}

static int part_append(struct part *part, const struct lx_piece *piece, struct lx_err *err)
{
    if (lx_spool_append(part->spool, piece->data, piece->len, err) < 0)
        return -1;
    part->bytes += piece->bytes;
    part->lines += piece->lines;
    return 0;
}

/* Stands between head and tail, as text inside a JSON string, on a line of its own. `before_line`:
 * what follows is the start of a line. */
static char *make_notice(const struct lx_store *store, bool before_line)
{
    return lx_strf("%sstdout: [%" PRIu64 " bytes (%" PRIu64 " lines) of output are left out here: "
                   "the log limit is %" PRIu64 " bytes]\\n%s",
                   store->head_ends_line ? "" : "\\n", store->dropped_bytes, store->dropped_lines,
                   store->limit, before_line ? "" : "stdout: ");
}

/* The newer part of the tail becomes the older, which is left out from now on. */
static void rotate(struct lx_store *store, bool starts_line)
{
    struct part *gone = store->older;
    store->older = store->newer;
    store->newer =
        part_new(store, lx_spool_in_file(store->head->spool) ? SMALL_MEMORY : store->memory_max,
                 starts_line);
    if (!gone)
        return;
    lx_assert(store->older);
    store->dropped_bytes += gone->bytes;
    store->dropped_lines += gone->lines;
    part_unref(gone);
    free(store->notice);
    store->notice = make_notice(store, store->older->starts_line);
}

static int tail_append(struct lx_store *store, const struct lx_piece *piece, struct lx_err *err)
{
    if (!store->newer || part_len(store->newer) + piece->len > store->limit / 4)
        rotate(store, piece->starts_line);
    return part_append(store->newer, piece, err);
}

int lx_store_append(struct lx_store *store, const struct lx_piece *piece, struct lx_err *err)
{
    if (!store->head_full && store->limit > 0 &&
        part_len(store->head) + piece->len > store->limit / 2)
        store->head_full = true;
    if (store->head_full ? tail_append(store, piece, err) < 0
                         : part_append(store->head, piece, err) < 0)
        return -1;
    store->ends_line = piece->ends_line;
    if (!store->head_full)
        store->head_ends_line = piece->ends_line;
    return 0;
}

void lx_store_end(struct lx_store *store, const char *text)
{
    free(store->ending);
    store->ending = lx_strf("%s%s\\n", store->ends_line ? "" : "\\n", text);
}

uint64_t lx_store_size(const struct lx_store *store)
{
    return part_len(store->head) + strlen(store->notice) + part_len(store->older) +
           part_len(store->newer) + strlen(store->ending);
}

static ssize_t copy_text(const char *text, uint64_t at, char *out, size_t size)
{
    size_t rest = strlen(text) - (size_t)at, n = rest < size ? rest : size;
    memcpy(out, text + at, n);
    return (ssize_t)n;
}

static ssize_t read_part(const struct view *view, size_t i, uint64_t at, char *out, size_t size)
{
    uint64_t rest = view->len[i] - at;
    return lx_spool_read(view->part[i]->spool, at, out, rest < size ? (size_t)rest : size);
}

/* One run of bytes at most. */
static ssize_t read_some(const struct view *view, uint64_t offset, char *out, size_t size)
{
    if (offset < view->len[0])
        return read_part(view, 0, offset, out, size);
    offset -= view->len[0];
    if (offset < strlen(view->notice))
        return copy_text(view->notice, offset, out, size);
    offset -= strlen(view->notice);
    for (size_t i = 1; i < VIEW_PARTS; i++) {
        if (offset < view->len[i])
            return read_part(view, i, offset, out, size);
        offset -= view->len[i];
    }
    return offset < strlen(view->ending) ? copy_text(view->ending, offset, out, size) : 0;
}

static ssize_t read_view(void *arg, uint64_t offset, char *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read_some(arg, offset + done, out + done, size - done);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static struct view view_of(const struct lx_store *store)
{
    return (struct view){
        .part = {part_ref(store->head), part_ref(store->older), part_ref(store->newer)},
        .len = {part_len(store->head), part_len(store->older), part_len(store->newer)},
        .notice = lx_strdup(store->notice),
        .ending = lx_strdup(store->ending),
    };
}

int lx_store_copy(const struct lx_store *store, struct lx_buf *out, struct lx_err *err)
{
    size_t len = (size_t)lx_store_size(store), done = 0;
    char *to = lx_buf_reserve(out, len, err);
    if (!to)
        return -1;
    struct view view = view_of(store);
    ssize_t n = 1;
    while (done < len && n > 0) {
        n = read_view(&view, done, to + done, len - done);
        done += n > 0 ? (size_t)n : 0;
    }
    view_done(&view);
    if (done < len)
        return lx_fail(err, LX_E_IO, "reading the kept output failed");
    out->len += len;
    out->data[out->len] = '\0';
    return 0;
}

struct lx_out_source lx_store_view(struct lx_store *store)
{
    view_done(&store->view);
    store->view = view_of(store);
    return (struct lx_out_source){
        .len = lx_store_size(store),
        .read = read_view,
        .arg = &store->view,
    };
}
