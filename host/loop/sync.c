#include "loop/priv.h"
#include "lunexec/loop.h"
#include "lunexec/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct lx_sync {
    uv_fs_t uv;
    int fd; /* our own */
    bool dropped;
    void (*done)(void *arg, const struct lx_err *err);
    void *arg;
};

static void on_synced(uv_fs_t *uv)
{
    struct lx_sync *sync = uv->data;
    struct lx_err err;
    ssize_t result = uv->result;
    uv_fs_req_cleanup(uv);
    close(sync->fd);
    if (!sync->dropped) {
        if (result < 0)
            lx_fail(&err, LX_E_IO, "fdatasync: %s", uv_strerror((int)result));
        sync->done(sync->arg, result < 0 ? &err : NULL);
    }
    free(sync);
}

int lx_sync_start(struct lx_loop *loop, int fd, void (*done)(void *arg, const struct lx_err *err),
                  void *arg, struct lx_sync **ret_sync, struct lx_err *err)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return lx_fail_errno(err, errno, "dup");
    struct lx_sync *sync = lx_alloc(sizeof *sync);
    sync->fd = own;
    sync->done = done;
    sync->arg = arg;
    sync->uv.data = sync;
    int rc = uv_fs_fdatasync(&loop->uv, &sync->uv, own, on_synced);
    if (rc < 0) {
        close(own);
        free(sync);
        return lx_fail(err, LX_E_IO, "fdatasync: %s", uv_strerror(rc));
    }
    *ret_sync = sync;
    return 0;
}

void lx_sync_drop(struct lx_sync *sync)
{
    if (sync)
        sync->dropped = true;
}
