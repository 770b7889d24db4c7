#include "lunexec/mem.h"
#include "lunexec/policy.h"
#include "lunexec/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define POLL_MS 1000
#define QUIET_MS 250
/* Every so many looks the scripts are read whatever the times and sizes of the files say. */
#define LOOKS_PER_READ 30

struct lx_bundle_watch {
    struct lx_bundle_watch_opts opts;
    char *policy_dir, *scripts_dir, *library_dir;
    struct lx_timer *poll, *quiet;
    struct lx_dir_watch *inotify; /* NULL: the directory is not there */
    uint64_t dir_id;              /* of the directory that inotify watches */
    uint64_t settled;             /* print of what was read last */
    uint64_t moving;              /* print that has to stay the same for a while */
    unsigned looks;
    char *told; /* hash or message that on_change had last */
};

/* ---- A print of the directory: what changes when a file does, without reading it ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t print_of(const char *name, const struct stat *status)
{
    const uint64_t facts[] = {
        (uint64_t)status->st_dev,         (uint64_t)status->st_ino,
        (uint64_t)status->st_size,        (uint64_t)status->st_mode,
        (uint64_t)status->st_mtim.tv_sec, (uint64_t)status->st_mtim.tv_nsec,
        (uint64_t)status->st_ctim.tv_sec, (uint64_t)status->st_ctim.tv_nsec,
    };
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = name; *at; at++)
        hash = mix(hash, (unsigned char)*at);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        hash = mix(hash, facts[i]);
    return hash;
}

/* A sum, since a directory's entries have no order. 0: there is none. */
static uint64_t print_directory(const char *path, uint64_t *ret_dir_id)
{
    DIR *dir = opendir(path);
    struct stat status = {0};
    uint64_t sum = 0;
    *ret_dir_id = 0;
    if (!dir)
        return 0;
    if (fstat(dirfd(dir), &status) == 0)
        *ret_dir_id = (uint64_t)status.st_ino ^ (uint64_t)status.st_dev << 48;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        const char *name = entry->d_name;
        if (name[0] == '.' || !lx_ends_with(name, ".lua"))
            continue;
        struct stat file = {0}; /* stays so for a link that leads nowhere */
        fstatat(dirfd(dir), name, &file, 0);
        sum += print_of(name, &file);
    }
    closedir(dir);
    return sum + *ret_dir_id;
}

/* ---- Watching ---- */

static void look(struct lx_bundle_watch *watch);

static void on_hint(void *arg)
{
    look(arg);
}

/* A directory that was replaced is another one to the kernel. */
static void renew_inotify(struct lx_bundle_watch *watch, uint64_t dir_id)
{
    if (watch->inotify && watch->dir_id == dir_id)
        return;
    lx_dir_watch_free(lx_take(watch->inotify));
    watch->dir_id = dir_id;
    if (dir_id)
        lx_dir_watch_new(watch->opts.loop, watch->policy_dir, on_hint, watch, &watch->inotify,
                         NULL);
}

static void look(struct lx_bundle_watch *watch)
{
    uint64_t dir_id = 0;
    uint64_t print = print_directory(watch->policy_dir, &dir_id);
    renew_inotify(watch, dir_id);
    if (print == watch->settled && watch->looks < LOOKS_PER_READ) {
        lx_timer_stop(watch->quiet);
    } else if (print != watch->moving || !lx_timer_active(watch->quiet)) {
        watch->moving = print;
        lx_timer_start(watch->quiet, watch->opts.quiet_ms, 0);
    }
}

static void on_poll(void *arg)
{
    struct lx_bundle_watch *watch = arg;
    watch->looks++;
    look(watch);
}

/* Hands out what was read, unless it was told before. */
static void tell(struct lx_bundle_watch *watch, struct lx_bundle *bundle, const struct lx_err *err)
{
    const char *news = bundle ? lx_bundle_hash(bundle) : err->text;
    if (lx_streq(news, watch->told)) {
        lx_bundle_free(bundle);
        return;
    }
    free(watch->told);
    watch->told = lx_strdup(news);
    watch->opts.on_change(watch->opts.arg, bundle, bundle ? NULL : err);
}

static void on_quiet(void *arg)
{
    struct lx_bundle_watch *watch = arg;
    struct lx_bundle *bundle = NULL;
    struct lx_err err;
    uint64_t dir_id = 0;
    if (print_directory(watch->policy_dir, &dir_id) != watch->moving) {
        look(watch);
        return;
    }
    int rc =
        lx_bundle_load(watch->policy_dir, watch->scripts_dir, watch->library_dir, &bundle, &err);
    if (print_directory(watch->policy_dir, &dir_id) != watch->moving) {
        lx_bundle_free(bundle);
        look(watch);
        return;
    }
    watch->settled = watch->moving;
    watch->looks = 0;
    tell(watch, rc ? NULL : bundle, &err);
}

struct lx_bundle_watch *lx_bundle_watch_new(const struct lx_bundle_watch_opts *opts)
{
    struct lx_bundle_watch *watch = lx_alloc(sizeof *watch);
    watch->opts = *opts;
    if (!watch->opts.poll_ms)
        watch->opts.poll_ms = POLL_MS;
    if (!watch->opts.quiet_ms)
        watch->opts.quiet_ms = QUIET_MS;
    watch->policy_dir = lx_strdup(opts->policy_dir);
    watch->scripts_dir = lx_strdup(opts->scripts_dir);
    watch->library_dir = lx_strdup(opts->library_dir);
    watch->told = lx_strdup(opts->hash);
    watch->settled = 1; /* of no directory */
    watch->poll = lx_timer_new(opts->loop, on_poll, watch);
    watch->quiet = lx_timer_new(opts->loop, on_quiet, watch);
    lx_timer_start(watch->poll, watch->opts.poll_ms, watch->opts.poll_ms);
    look(watch); /* the first read finds out whether anything happened since `hash` */
    return watch;
}

void lx_bundle_watch_free(struct lx_bundle_watch *watch)
{
    if (!watch)
        return;
    lx_dir_watch_free(watch->inotify);
    lx_timer_free(watch->poll);
    lx_timer_free(watch->quiet);
    free(watch->policy_dir);
    free(watch->scripts_dir);
    free(watch->library_dir);
    free(watch->told);
    free(watch);
}
