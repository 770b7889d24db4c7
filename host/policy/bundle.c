#include "bundle.h"

#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"
#include "value.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* More files than this in one folder are a mistake. */
#define FILES_MAX 256
#define SUFFIX ".lua"

struct module {
    char *name;     /* as `require` names it: "template", "lunexec.pod" */
    size_t at, len; /* its source, in the bundle's text */
};

struct lx_bundle {
    struct lx_buf text; /* all sources, one after the other */
    struct module *modules;
    size_t n_modules;
    char hash[LX_BUNDLE_HASH_SIZE];
};

LX_DEFINE_AUTO(bundle, struct lx_bundle *, lx_bundle_free)

static bool wanted(const char *file)
{
    return file[0] != '.' && lx_ends_with(file, SUFFIX) && !lx_ends_with(file, "_spec.lua");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Fills `files` with the folder's wanted names, sorted; the caller frees each. */
static int list_files(const char *dir, char *files[FILES_MAX], size_t *ret_n, struct lx_err *err)
{
    DIR *handle = opendir(dir);
    if (!handle)
        return lx_fail_errno(err, errno, "policy folder %s", dir);
    int rc = 0;
    size_t n = 0;
    for (struct dirent *entry = readdir(handle); entry; entry = readdir(handle)) {
        if (!wanted(entry->d_name))
            continue;
        if (n == FILES_MAX) {
            rc = lx_fail(err, LX_E_LIMIT, "policy folder %s: more than %d files", dir, FILES_MAX);
            break;
        }
        files[n++] = lx_strdup(entry->d_name);
    }
    closedir(handle);
    if (n)
        qsort(files, n, sizeof *files, compare_names);
    *ret_n = n;
    return rc;
}

/* The name that `require` knows a file by. free() */
static char *module_name(const char *prefix, const char *file)
{
    return lx_strf("%s%.*s", prefix, (int)(strlen(file) - strlen(SUFFIX)), file);
}

static int add_module(struct lx_bundle *bundle, struct module *module, const char *prefix,
                      const char *dir, const char *file, struct lx_err *err)
{
    lx_auto(str) char *path = lx_strf("%s/%s", dir, file);
    struct stat status;
    if (stat(path, &status))
        return lx_fail_errno(err, errno, "reading %s", path);
    if (!S_ISREG(status.st_mode)) /* a pipe would be waited for */
        return lx_fail(err, LX_E_INVALID, "%s is not a regular file", path);
    module->at = bundle->text.len;
    if (lx_file_read(path, &bundle->text, err)) {
        if (err && err->code == LX_E_LIMIT)
            lx_fail(err, LX_E_LIMIT, "policy scripts are larger than %zu KiB in all, at %s",
                    LX_BUNDLE_MAX / 1024, path);
        return -1;
    }
    module->len = bundle->text.len - module->at;
    module->name = module_name(prefix, file);
    return 0;
}

static struct module *find_module(const struct lx_bundle *bundle, const char *name)
{
    for (size_t i = 0; i < bundle->n_modules; i++)
        if (lx_streq(bundle->modules[i].name, name))
            return &bundle->modules[i];
    return NULL;
}

static bool has_file(const struct lx_bundle *bundle, const char *prefix, const char *file)
{
    lx_auto(str) char *name = module_name(prefix, file);
    return find_module(bundle, name) != NULL;
}

/* Adds the folder's modules that the bundle does not have yet. */
static int add_folder(struct lx_bundle *bundle, const char *dir, const char *prefix,
                      struct lx_err *err)
{
    char *files[FILES_MAX];
    size_t n = 0;
    int rc = list_files(dir, files, &n, err);
    for (size_t i = 0; i < n; i++) {
        bool shadowed = has_file(bundle, prefix, files[i]);
        if (rc == 0 && !shadowed)
            rc =
                add_module(bundle, &bundle->modules[bundle->n_modules], prefix, dir, files[i], err);
        if (rc == 0 && !shadowed)
            bundle->n_modules++;
        free(files[i]);
    }
    return rc;
}

static void hash_bytes(uint64_t *hash, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *hash = (*hash ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
}

/* FNV-1a over each name, length and source; it tells bundles apart, nobody forges one. */
static void hash_modules(struct lx_bundle *bundle)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bundle->n_modules; i++) {
        const struct module *module = &bundle->modules[i];
        uint64_t len = module->len;
        hash_bytes(&hash, module->name, strlen(module->name) + 1);
        hash_bytes(&hash, &len, sizeof len);
        hash_bytes(&hash, lx_buf_str(&bundle->text) + module->at, module->len);
    }
    snprintf(bundle->hash, sizeof bundle->hash, "%016" PRIx64, hash);
}

int lx_bundle_load(const char *policy_dir, const char *scripts_dir, const char *library_dir,
                   struct lx_bundle **ret_bundle, struct lx_err *err)
{
    lx_auto(bundle) struct lx_bundle *bundle = lx_alloc(sizeof *bundle);
    lx_auto(str) char *library = lx_strf("%s/lunexec", library_dir);
    lx_buf_init(&bundle->text, LX_BUNDLE_MAX);
    bundle->modules = lx_alloc_array(3 * FILES_MAX, sizeof *bundle->modules);
    struct lx_err local;
    if (!err)
        err = &local;
    if (add_folder(bundle, policy_dir, "", err))
        return -1;
    if (!find_module(bundle, "policy"))
        return lx_fail(err, LX_E_INVALID, "policy folder %s has no policy.lua", policy_dir);
    if (scripts_dir && add_folder(bundle, scripts_dir, "", err))
        return -1;
    if (add_folder(bundle, library, "lunexec.", err))
        return -1;
    hash_modules(bundle);
    *ret_bundle = lx_take(bundle);
    return 0;
}

void lx_bundle_free(struct lx_bundle *bundle)
{
    if (!bundle)
        return;
    for (size_t i = 0; i < bundle->n_modules; i++)
        free(bundle->modules[i].name);
    free(bundle->modules);
    lx_buf_done(&bundle->text);
    free(bundle);
}

int lx_bundle_prefix(struct lx_bundle *bundle, const char *module, const char *text,
                     struct lx_err *err)
{
    struct module *found = find_module(bundle, module);
    if (!found)
        return lx_fail(err, LX_E_NOT_FOUND, "the policy has no module %s", module);
    lx_auto(str) char *source =
        lx_strf("%s%.*s", text, (int)found->len, lx_buf_str(&bundle->text) + found->at);
    size_t at = bundle->text.len;
    if (lx_buf_adds(&bundle->text, source, err))
        return -1;
    found->at = at;
    found->len = bundle->text.len - at;
    hash_modules(bundle);
    return 0;
}

const char *lx_bundle_hash(const struct lx_bundle *bundle)
{
    return bundle->hash;
}

int lx_bundle_put(const struct lx_bundle *bundle, struct lx_buf *out, struct lx_err *err)
{
    if (lx_value_put_head(out, LX_VALUE_OBJECT, bundle->n_modules, err))
        return -1;
    for (size_t i = 0; i < bundle->n_modules; i++) {
        const struct module *module = &bundle->modules[i];
        if (lx_value_put_key(out, module->name, strlen(module->name), err) ||
            lx_value_put_string(out, lx_buf_str(&bundle->text) + module->at, module->len, err))
            return -1;
    }
    return 0;
}
