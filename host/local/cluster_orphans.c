/*
 * What a container leaves behind when its sandbox is killed at the wrong moment: bubblewrap binds
 * its inner process to its own life only after having started it.
 */
#include "cluster.h"

#include "lunexec/clock.h"
#include "lunexec/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define PAUSE_NS 2000000

int lx_orphans_adopt(struct lx_err *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1))
        return lx_fail_errno(err, errno, "becoming the parent of what containers leave behind");
    return 0;
}

/* Whether there was one; a process that ended counts until it was waited for. */
static bool kill_children(void)
{
    lx_auto(str) char *path = lx_strf("/proc/self/task/%lld/children", (long long)getpid());
    FILE *children = fopen(path, "re");
    bool any = false;
    long long pid;
    if (!children)
        return false;
    for (; fscanf(children, "%lld", &pid) == 1; any = true)
        (void)kill((pid_t)pid, SIGKILL);
    (void)fclose(children);
    return any;
}

void lx_orphans_kill(void)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_NS};
    uint64_t end = lx_now_ms() + PATIENCE_MS;
    while (kill_children() && lx_now_ms() < end) {
        if (waitpid(-1, NULL, WNOHANG) == 0)
            (void)nanosleep(&pause, NULL);
    }
}
