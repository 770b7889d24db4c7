/* What the tests of the HTTP client share: a loop, a client, and calls whose results are kept. */
#ifndef LX_TESTS_NET_FIXTURE_H
#define LX_TESTS_NET_FIXTURE_H

#include "lunexec/buf.h"
#include "lunexec/clock.h"
#include "lunexec/http.h"
#include "lunexec/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEST_TIMEOUT_MS 20000

struct fixture {
    struct lx_loop *loop;
    struct lx_http *http;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
int fixture_group_setup(void **state);
int fixture_group_teardown(void **state);

/* A call and what came of it. */
struct answer {
    struct lx_http_call *call;
    bool done;
    unsigned times; /* on_done was called */
    struct lx_http_result result;
    char *body;           /* copy of the collected body */
    struct lx_buf stream; /* what on_data got */
    long head;            /* what on_head got */
    void *user;           /* the test's own */
    int (*on_data)(struct answer *answer, const char *data, size_t len); /* may be NULL */
};

void answer_init(struct answer *answer);
void answer_done(struct answer *answer);

/* Starts with the request's callbacks pointed at `answer`; a stream if `stream`. */
void call_start(struct fixture *fixture, struct lx_http_req *req, bool stream,
                struct answer *answer);
/* Runs the loop until *flag. */
void wait_for(struct fixture *fixture, const bool *flag);
/* Starts a plain request and waits for its answer. */
void call_wait(struct fixture *fixture, struct lx_http_req *req, struct answer *answer);

/* Runs the loop until `condition` holds, looked at every 2 ms. */
#define WAIT_UNTIL(fixture, condition)                                                             \
    do {                                                                                           \
        uint64_t end_ = lx_now_ms() + TEST_TIMEOUT_MS;                                             \
        while (!(condition)) {                                                                     \
            assert_true(lx_now_ms() < end_);                                                       \
            loop_turn(fixture);                                                                    \
        }                                                                                          \
    } while (0)
void loop_turn(struct fixture *fixture);

#endif
