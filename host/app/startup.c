#include "app/startup.h"

#include "lunexec/buf.h"
#include "lunexec/clock.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <string.h>

#define GIT_TIMEOUT_MS 5000
#define PING_PAUSE_MS 1000
#define FIRST_LINE_MS 3000
#define NEXT_LINE_MS 60000

struct lx_startup {
    struct lx_loop *loop;
    struct lx_timer *timer;

    struct lx_child *child;
    struct lx_buf output;
    void (*git_done)(void *arg, const char *version);

    struct lx_queue *queue;
    struct lx_queue_call *call;
    struct lx_timer *complaint;
    struct lx_log *log;
    const char *url;
    struct lx_err last;
    bool failed_before;
    void (*ping_done)(void *arg, const struct lx_err *err);
    void *arg;
};

void lx_startup_free(struct lx_startup *startup)
{
    if (!startup)
        return;
    lx_queue_cancel(startup->call);
    lx_child_free(startup->child);
    lx_timer_free(startup->timer);
    lx_timer_free(startup->complaint);
    lx_buf_done(&startup->output);
    free(startup);
}

static void on_output(void *arg, const char *data, size_t len)
{
    struct lx_startup *startup = arg;
    lx_buf_add(&startup->output, data, len, NULL);
}

static void ignore_output(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static void git_end(struct lx_startup *startup)
{
    static const char prefix[] = "git version ";
    const char *text = lx_buf_str(&startup->output);
    lx_timer_stop(startup->timer);
    if (!lx_starts_with(text, prefix)) {
        startup->git_done(startup->arg, "");
        return;
    }
    text += strlen(prefix);
    lx_auto(str) char *version = lx_strndup(text, strcspn(text, "\r\n"));
    startup->git_done(startup->arg, version);
}

static void on_git_exit(void *arg, int64_t status, int signal)
{
    struct lx_startup *startup = arg;
    if (status != 0 || signal != 0)
        lx_buf_reset(&startup->output);
    git_end(startup);
}

static void on_git_timeout(void *arg)
{
    struct lx_startup *startup = arg;
    lx_child_free(lx_take(startup->child));
    lx_buf_reset(&startup->output);
    git_end(startup);
}

static const char *path_of(char *const *environment)
{
    for (; *environment; environment++) {
        if (lx_starts_with(*environment, "PATH="))
            return *environment;
    }
    return NULL;
}

struct lx_startup *lx_startup_git(struct lx_loop *loop, char *const *environment,
                                  void (*done)(void *arg, const char *version), void *arg)
{
    static const char *const argv[] = {"git", "version", NULL};
    const char *const env[] = {path_of(environment), NULL};
    struct lx_startup *startup = lx_alloc(sizeof *startup);
    startup->loop = loop;
    startup->git_done = done;
    startup->arg = arg;
    startup->timer = lx_timer_new(loop, on_git_timeout, startup);
    lx_buf_init(&startup->output, 4096);
    struct lx_child_opts opts = {
        .argv = argv,
        .env = env,
        .on_out = on_output,
        .on_err = ignore_output,
        .on_exit = on_git_exit,
        .arg = startup,
    };
    uint64_t limit = GIT_TIMEOUT_MS;
    if (lx_child_spawn(loop, &opts, &startup->child, NULL) < 0)
        limit = 0;
    lx_timer_start(startup->timer, limit, 0);
    return startup;
}

static void ping(void *arg);

/* The first line says that we wait; later ones that we still do. */
static void complain(void *arg)
{
    struct lx_startup *startup = arg;
    lx_log(startup->log, LX_LOG_WARN,
           "waiting for the frontend, is EXECUTOR_FRONTEND_URL right and reachable?",
           LX_STR("EXECUTOR_FRONTEND_URL", startup->url),
           LX_STR("error", startup->failed_before ? startup->last.text : "no answer yet"));
    lx_timer_start(startup->complaint, NEXT_LINE_MS, 0);
}

static void on_pong(void *arg, const struct lx_err *err)
{
    struct lx_startup *startup = arg;
    startup->call = NULL;
    if (!err || err->code == LX_E_AUTH) {
        lx_timer_stop(startup->complaint);
        startup->ping_done(startup->arg, err);
        return;
    }
    startup->last = *err;
    startup->failed_before = true;
    lx_timer_start(startup->timer, PING_PAUSE_MS, 0);
}

static void ping(void *arg)
{
    struct lx_startup *startup = arg;
    startup->call = lx_queue_ping(startup->queue, on_pong, startup);
}

struct lx_startup *lx_startup_ping(struct lx_loop *loop, struct lx_queue *queue, const char *url,
                                   struct lx_log *log,
                                   void (*done)(void *arg, const struct lx_err *err), void *arg)
{
    struct lx_startup *startup = lx_alloc(sizeof *startup);
    startup->loop = loop;
    startup->queue = queue;
    startup->url = url;
    startup->log = log;
    startup->ping_done = done;
    startup->arg = arg;
    startup->timer = lx_timer_new(loop, ping, startup);
    startup->complaint = lx_timer_new(loop, complain, startup);
    lx_timer_start(startup->timer, 0, 0);
    lx_timer_start(startup->complaint, FIRST_LINE_MS, 0);
    return startup;
}
