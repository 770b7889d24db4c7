/* A queue client against a scripted frontend: answers are laid down beforehand, requests kept. */
#ifndef LX_TESTS_QUEUE_FIXTURE_H
#define LX_TESTS_QUEUE_FIXTURE_H

#include "queue/priv.h"

#include "lunexec/httpd.h"
#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX_REQUESTS 64
#define DROP 0 /* as a status: the connection is closed without an answer */
#define HANG 1 /* no answer at all */

struct request {
    char *method, *path, *body;
    size_t body_len;
    char *authorization, *content_type, *actor, *job_id, *executor, *user_agent, *content_length;
};

struct reply {
    unsigned status;
    const char *body;
    const char *header; /* an extra one; NULL for none */
};

struct fixture {
    struct lx_loop *loop;
    struct lx_http *http;
    struct lx_httpd *httpd;
    struct lx_metrics *metrics;
    struct lx_queue *queue;
    const char *queues[3];
    struct lx_queue_opts opts;
    char *url;

    /* The n-th request gets the n-th reply, those after the last get the last one. */
    const struct reply *replies;
    size_t n_replies;
    struct request requests[MAX_REQUESTS];
    size_t n_requests;
};

/* Job 42 of "batches" with the token "abc123". */
extern const struct lx_job test_job;
/* The same job of "codeintel", without a token. */
extern const struct lx_job old_job;

/* What callbacks brought. */
struct outcome {
    bool done;
    unsigned times;
    bool failed;
    struct lx_err err;
    int64_t entry_id;
    struct lx_job *job;
    char **known, **cancel;
    char *data;
    size_t len;
};

int queue_group_setup(void **state);
int queue_group_teardown(void **state);
int queue_setup(void **state);
int queue_teardown(void **state);
/* The client is made anew with fixture->opts. */
void queue_remake(struct fixture *fixture);

#define SCRIPT(fixture, ...)                                                                       \
    do {                                                                                           \
        static const struct reply script_[] = {__VA_ARGS__};                                       \
        queue_script(fixture, script_, sizeof(script_) / sizeof(*script_));                        \
    } while (0)
/* Forgets earlier requests. */
void queue_script(struct fixture *fixture, const struct reply *replies, size_t n);

void outcome_done(struct outcome *outcome);
void on_plain(void *arg, const struct lx_err *err);
void on_job(void *arg, struct lx_job *job, const struct lx_err *err);
void on_beat(void *arg, char *const *known, char *const *cancel, const struct lx_err *err);
void on_entry(void *arg, int64_t entry_id, const struct lx_err *err);
void on_file(void *arg, const char *data, size_t len, const struct lx_err *err);
/* Runs the loop until the outcome is there. */
void await(struct fixture *fixture, struct outcome *outcome);
/* Runs the loop until so many requests have come. */
void await_requests(struct fixture *fixture, size_t n);
/* Gives everything that is still to come the time to come. */
void settle(struct fixture *fixture);

#endif
