#include "lunexec/loop.h"

#include "loop/priv.h"
#include "lunexec/mem.h"

struct lx_dir_watch {
    uv_fs_event_t uv;
    void (*fn)(void *arg);
    void *arg;
};

static void fire(uv_fs_event_t *uv, const char *name, int events, int status)
{
    struct lx_dir_watch *watch = uv->data;
    (void)name;
    (void)events;
    if (status == 0)
        watch->fn(watch->arg);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

int lx_dir_watch_new(struct lx_loop *loop, const char *path, void (*fn)(void *arg), void *arg,
                     struct lx_dir_watch **ret_watch, struct lx_err *err)
{
    struct lx_dir_watch *watch = lx_alloc(sizeof *watch);
    int rc = uv_fs_event_init(&loop->uv, &watch->uv);
    if (rc < 0) {
        free(watch);
        return lx_fail(err, LX_E_IO, "cannot watch %s: %s", path, uv_strerror(rc));
    }
    watch->uv.data = watch;
    watch->fn = fn;
    watch->arg = arg;
    rc = uv_fs_event_start(&watch->uv, fire, path, 0);
    if (rc < 0) {
        lx_dir_watch_free(watch);
        return lx_fail(err, rc == UV_ENOENT ? LX_E_NOT_FOUND : LX_E_IO, "cannot watch %s: %s", path,
                       uv_strerror(rc));
    }
    uv_unref((uv_handle_t *)&watch->uv);
    *ret_watch = watch;
    return 0;
}

void lx_dir_watch_free(struct lx_dir_watch *watch)
{
    if (watch)
        uv_close((uv_handle_t *)&watch->uv, closed);
}
