#include "job/cargo.h"

#include "job/shell.h"
#include "lunexec/text.h"

#include <string.h>
#include <time.h>

/* Beyond this, contents travel in Secrets. */
#define INLINE_MAX ((size_t)64 * 1024)
/* As words of the shell they grow; Linux takes at most 128 KiB in one argument (contract 5.3), and
 * cloning takes some of it. */
#define INLINE_TEXT_MAX ((size_t)96 * 1024)
/* Kubernetes takes 1 MiB of data in a Secret. */
#define SECRET_MAX ((size_t)1000000)
#define KEY_COST 32
#define SECRETS_MAX 64
#define TOTAL_MAX (SECRET_MAX * SECRETS_MAX)
#define COMMANDS_MAX ((size_t)64 * 1024 * 1024)
#define SCRIPT_MAX ((size_t)64 * 1024 * 1024)

#define MOUNT "/lunexec-files"
#define VOLUME "lunexec-files"

struct item {
    char *path; /* relative to the workspace; NULL for the commands themselves */
    char *own;  /* contents that are ours; NULL: borrowed */
    const char *data;
    size_t len;
    bool has_mtime;
    struct timespec mtime;
    size_t first_piece, n_pieces;
};

/* A part of an item, one key of a Secret. */
struct piece {
    size_t item, secret, offset, len;
};

struct lx_cargo {
    struct item *items;
    size_t n_items;
    struct lx_buf text;   /* the commands, where they carry everything */
    struct lx_buf pieces; /* of struct piece */
    size_t n_secrets, filled;
};

static struct item *add_item(struct lx_cargo *cargo, char *path, const char *data, size_t len)
{
    struct item *item = &cargo->items[cargo->n_items++];
    item->path = path;
    item->data = data;
    item->len = len;
    return item;
}

/* ---- Collecting ---- */

static int add_files(struct lx_cargo *cargo, const struct lx_job *job, struct lx_err *err)
{
    for (size_t i = 0; i < job->n_files; i++) {
        const struct lx_job_file *file = &job->files[i];
        char *path = lx_workspace_path(file->path, err);
        if (!path)
            return -1;
        const char *data = file->content ? file->content : "";
        struct item *item = add_item(cargo, path, data, file->content_len);
        item->has_mtime = file->has_mtime;
        item->mtime = file->mtime;
    }
    return 0;
}

static int add_scripts(struct lx_cargo *cargo, const struct lx_job *job, struct lx_err *err)
{
    for (size_t i = 0; i < job->n_steps; i++) {
        __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_SECRET(SCRIPT_MAX);
        if (lx_script_text(job, i, &text, err) < 0)
            return -1;
        lx_auto(str) char *name = lx_script_name(job, i);
        size_t len = text.len;
        char *own = lx_buf_take(&text);
        add_item(cargo, lx_strf(LX_SCRIPT_DIR "/%s", name), own, len)->own = own;
    }
    return 0;
}

/* ---- Commands ---- */

static int word(struct lx_buf *out, const char *before, const char *text, struct lx_err *err)
{
    if (lx_buf_adds(out, before, err) < 0)
        return -1;
    return lx_shell_word(out, text, err);
}

/* The directory of an item, if it is not the workspace itself. */
static int add_mkdir(const struct item *item, struct lx_buf *out, struct lx_err *err)
{
    lx_auto(str) char *dir = lx_strdup(item->path);
    char *slash = strrchr(dir, '/');
    if (!slash)
        return 0;
    *slash = '\0';
    if (word(out, "mkdir -p ", dir, err) < 0)
        return -1;
    return lx_buf_adds(out, "; ", err);
}

/* Not every touch understands fractions of a second; -t is what all of them do. */
static int add_touch(const struct item *item, struct lx_buf *out, struct lx_err *err)
{
    struct tm tm;
    char text[32];
    if (!gmtime_r(&item->mtime.tv_sec, &tm) ||
        strftime(text, sizeof text, "%Y%m%d%H%M.%S", &tm) == 0)
        return lx_fail(err, LX_E_INVALID, "modifiedAt of file %s is out of range", item->path);
    if (item->mtime.tv_nsec != 0) {
        if (lx_buf_addf(out, err, "touch -m -d @%lld.%09ld", (long long)item->mtime.tv_sec,
                        item->mtime.tv_nsec) < 0 ||
            word(out, " ", item->path, err) < 0 || lx_buf_adds(out, " 2>/dev/null || ", err) < 0)
            return -1;
    }
    if (lx_buf_addf(out, err, "TZ=UTC0 touch -m -t %s", text) < 0 ||
        word(out, " ", item->path, err) < 0)
        return -1;
    return lx_buf_adds(out, "; ", err);
}

/* printf '%s' writes the bytes and nothing else; echo would add a newline (contract 11.7). */
static int add_printf(const struct item *item, struct lx_buf *out, struct lx_err *err)
{
    if (lx_buf_adds(out, "printf '%s' ", err) < 0)
        return -1;
    return lx_shell_quote(out, item->data, item->len, err);
}

static const struct piece *piece_at(const struct lx_cargo *cargo, size_t index)
{
    const void *pieces = cargo->pieces.data;
    return (const struct piece *)pieces + index;
}

static int add_cat(const struct lx_cargo *cargo, const struct item *item, struct lx_buf *out,
                   struct lx_err *err)
{
    if (lx_buf_adds(out, "cat", err) < 0)
        return -1;
    for (size_t i = 0; i < item->n_pieces; i++) {
        size_t index = item->first_piece + i;
        if (lx_buf_addf(out, err, " " MOUNT "/%zu/p%zu", piece_at(cargo, index)->secret, index) < 0)
            return -1;
    }
    return 0;
}

static int place_item(const struct lx_cargo *cargo, const struct item *item, struct lx_buf *out,
                      struct lx_err *err)
{
    if (add_mkdir(item, out, err) < 0)
        return -1;
    if (item->n_pieces > 0 ? add_cat(cargo, item, out, err) < 0 : add_printf(item, out, err) < 0)
        return -1;
    if (word(out, " > ", item->path, err) < 0 || word(out, "; chmod +x ", item->path, err) < 0 ||
        lx_buf_adds(out, "; ", err) < 0)
        return -1;
    return item->has_mtime ? add_touch(item, out, err) : 0;
}

static int place_all(const struct lx_cargo *cargo, struct lx_buf *out, struct lx_err *err)
{
    if (lx_buf_adds(out, "mkdir -p " LX_SCRIPT_DIR "; ", err) < 0)
        return -1;
    for (size_t i = 0; i < cargo->n_items; i++) {
        if (place_item(cargo, &cargo->items[i], out, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- In the argument, or in Secrets ---- */

static bool is_text(const char *data, size_t len)
{
    while (len > 0) {
        size_t n = lx_utf8_sequence(data, len);
        if (n == 0 || *data == '\0')
            return false;
        data += n;
        len -= n;
    }
    return true;
}

static bool fits_inline(struct lx_cargo *cargo)
{
    size_t total = 0;
    for (size_t i = 0; i < cargo->n_items; i++) {
        const struct item *item = &cargo->items[i];
        total += item->len;
        if (total > INLINE_MAX || !is_text(item->data, item->len))
            return false;
    }
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf escaped = LX_BUF_INIT(INLINE_TEXT_MAX);
    if (place_all(cargo, &cargo->text, NULL) == 0 &&
        lx_kubelet_escape(&escaped, lx_buf_str(&cargo->text), cargo->text.len, NULL) == 0)
        return true;
    lx_buf_done(&cargo->text);
    return false;
}

/* Cuts an item into pieces, filling one Secret after another. */
static int stow(struct lx_cargo *cargo, size_t index, struct lx_err *err)
{
    struct item *item = &cargo->items[index];
    size_t offset = 0;
    item->first_piece = cargo->pieces.len / sizeof(struct piece);
    do {
        if (cargo->n_secrets == 0 || cargo->filled + KEY_COST >= SECRET_MAX) {
            cargo->n_secrets++;
            cargo->filled = 0;
        }
        size_t room = SECRET_MAX - cargo->filled - KEY_COST, left = item->len - offset;
        struct piece piece = {index, cargo->n_secrets - 1, offset, left < room ? left : room};
        if (lx_buf_add(&cargo->pieces, &piece, sizeof piece, err) < 0)
            return -1;
        cargo->filled += KEY_COST + piece.len;
        offset += piece.len;
        item->n_pieces++;
    } while (offset < item->len);
    return 0;
}

static int check_size(const struct lx_cargo *cargo, struct lx_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < cargo->n_items; i++)
        total += cargo->items[i].len + KEY_COST;
    if (total > TOTAL_MAX || cargo->n_secrets > SECRETS_MAX)
        return lx_fail(err, LX_E_LIMIT,
                       "the files and scripts of the job take %zu bytes, the limit is %zu", total,
                       TOTAL_MAX);
    return 0;
}

/* The commands can be many, so they travel in Secrets too, as the last item. */
static int use_secrets(struct lx_cargo *cargo, struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf commands = LX_BUF_SECRET(COMMANDS_MAX);
    if (check_size(cargo, err) < 0)
        return -1;
    for (size_t i = 0; i < cargo->n_items; i++) {
        if (stow(cargo, i, err) < 0)
            return -1;
    }
    if (place_all(cargo, &commands, err) < 0)
        return -1;
    size_t len = commands.len;
    char *own = lx_buf_take(&commands);
    add_item(cargo, NULL, own, len)->own = own;
    if (stow(cargo, cargo->n_items - 1, err) < 0)
        return -1;
    return check_size(cargo, err);
}

int lx_cargo_new(const struct lx_job *job, struct lx_cargo **ret_cargo, struct lx_err *err)
{
    lx_auto(cargo) struct lx_cargo *cargo = lx_alloc(sizeof *cargo);
    lx_buf_init(&cargo->text, INLINE_TEXT_MAX);
    cargo->text.secret = true;
    lx_buf_init(&cargo->pieces, COMMANDS_MAX);
    cargo->items = lx_alloc_array(job->n_files + job->n_steps + 2, sizeof *cargo->items);
    const char *skip_check = lx_skip_check();
    add_item(cargo, lx_strdup("nextIndex.sh"), skip_check, strlen(skip_check));
    if (add_files(cargo, job, err) < 0 || add_scripts(cargo, job, err) < 0)
        return -1;
    if (!fits_inline(cargo) && use_secrets(cargo, err) < 0)
        return -1;
    *ret_cargo = lx_take(cargo);
    return 0;
}

void lx_cargo_free(struct lx_cargo *cargo)
{
    if (!cargo)
        return;
    for (size_t i = 0; i < cargo->n_items; i++) {
        free(cargo->items[i].path);
        lx_secret_free(cargo->items[i].own);
    }
    free(cargo->items);
    lx_buf_done(&cargo->text);
    lx_buf_done(&cargo->pieces);
    free(cargo);
}

int lx_cargo_commands(const struct lx_cargo *cargo, struct lx_buf *out, struct lx_err *err)
{
    if (cargo->n_secrets == 0)
        return lx_buf_add(out, lx_buf_str(&cargo->text), cargo->text.len, err);
    if (add_cat(cargo, &cargo->items[cargo->n_items - 1], out, err) < 0)
        return -1;
    return lx_buf_adds(out, " | sh -e; ", err);
}

/* ---- Manifests ---- */

size_t lx_cargo_n_secrets(const struct lx_cargo *cargo)
{
    return cargo->n_secrets;
}

char *lx_cargo_secret_name(const char *job_name, size_t index)
{
    return lx_strf("%s-files-%zu", job_name, index);
}

static json_t *secret_data(const struct lx_cargo *cargo, size_t index)
{
    json_t *data = json_object();
    for (size_t i = 0; i < cargo->pieces.len / sizeof(struct piece); i++) {
        const struct piece *piece = piece_at(cargo, i);
        if (piece->secret != index)
            continue;
        __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_SECRET(2 * SECRET_MAX);
        lx_auto(str) char *key = lx_strf("p%zu", i);
        const char *bytes = cargo->items[piece->item].data + piece->offset;
        if (lx_base64_encode(&text, bytes, piece->len, NULL) == 0)
            json_object_set_new(data, key, json_stringn(lx_buf_str(&text), text.len));
    }
    return data;
}

json_t *lx_cargo_secret(const struct lx_cargo *cargo, size_t index, const char *job_name,
                        const char *ns, const char *job_uid)
{
    lx_auto(str) char *name = lx_cargo_secret_name(job_name, index);
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}, s:b, s:o}", "apiVersion",
                     "v1", "kind", "Secret", "metadata", "name", name, "namespace", ns,
                     "ownerReferences", "apiVersion", "batch/v1", "kind", "Job", "name", job_name,
                     "uid", job_uid, "immutable", 1, "data", secret_data(cargo, index));
}

/* The list of that name, made when it is not there; borrowed. */
static json_t *list_in(json_t *object, const char *key)
{
    json_t *list = lx_json_arr(object, key);
    if (list)
        return list;
    list = json_array();
    return json_object_set_new(object, key, list) == 0 ? list : NULL;
}

static json_t *find_container(const json_t *pod, const char *name)
{
    size_t i;
    json_t *container;
    json_array_foreach (lx_json_arr(pod, "initContainers"), i, container) {
        if (lx_streq(lx_json_str(container, "name", NULL), name))
            return container;
    }
    return NULL;
}

int lx_cargo_attach(const struct lx_cargo *cargo, const char *job_name, const char *container,
                    json_t *manifest, struct lx_err *err)
{
    json_t *pod = lx_json_path(manifest, "spec.template.spec");
    json_t *setup = find_container(pod, container);
    if (!setup)
        return lx_fail(err, LX_E_REFUSED, "the manifest has no container %s", container);
    json_t *volumes = list_in(pod, "volumes"), *mounts = list_in(setup, "volumeMounts");
    for (size_t i = 0; i < cargo->n_secrets; i++) {
        lx_auto(str) char *secret = lx_cargo_secret_name(job_name, i);
        lx_auto(str) char *volume = lx_strf(VOLUME "-%zu", i);
        lx_auto(str) char *path = lx_strf(MOUNT "/%zu", i);
        json_array_append_new(volumes, json_pack("{s:s, s:{s:s, s:i}}", "name", volume, "secret",
                                                 "secretName", secret, "defaultMode", 0444));
        json_array_append_new(
            mounts, json_pack("{s:s, s:s, s:b}", "name", volume, "mountPath", path, "readOnly", 1));
    }
    return 0;
}
