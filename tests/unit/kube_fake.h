/*
 * A scripted API server on the test's own loop: each request must be the next one of the script.
 */
#ifndef LX_TESTS_KUBE_FAKE_H
#define LX_TESTS_KUBE_FAKE_H

#include "lunexec/kube.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEST_TIMEOUT_MS 20000

enum fake_action {
    FAKE_REPLY, /* a whole answer */
    FAKE_END,   /* a chunked answer that ends well */
    FAKE_CUT,   /* one that breaks off */
    FAKE_HOLD,  /* one that stays open until fake_more, fake_close */
};

struct fake_step {
    const char *want;  /* "METHOD /path?query" begins with it */
    const char *has;   /* somewhere in head or body; NULL: anything */
    const char *lacks; /* nowhere there */
    enum fake_action action;
    int status;          /* [200] */
    const char *headers; /* "Name: value\r\n" each */
    const char *body;
    size_t len; /* of body, [its strlen] */
};

struct fake;

/* Starts the server and a client of it with the token file (NULL: none). */
struct fake *fake_new(const struct fake_step *steps, size_t n, const char *token_file);
void fake_free(struct fake *fake);
struct lx_loop *fake_loop(struct fake *fake);
struct lx_kube *fake_kube(struct fake *fake);
/* How many requests have come. */
size_t fake_count(const struct fake *fake);
bool fake_finished(const struct fake *fake); /* the whole script was used */
/* When request `i` came, monotonic ms. */
uint64_t fake_at(const struct fake *fake, size_t i);
/* More of the held answer, and its end (cut or not). */
void fake_more(struct fake *fake, const char *text);
void fake_close(struct fake *fake, bool cut);
/* The client has closed the held connection. */
bool fake_abandoned(const struct fake *fake);

void fake_turn(struct lx_loop *loop);
#define WAIT_UNTIL(fake, condition)                                                                \
    do {                                                                                           \
        uint64_t end_ = lx_now_ms() + TEST_TIMEOUT_MS;                                             \
        while (!(condition)) {                                                                     \
            assert_true(lx_now_ms() < end_);                                                       \
            fake_turn(fake_loop(fake));                                                            \
        }                                                                                          \
    } while (0)

int fake_group_setup(void **state);
int fake_group_teardown(void **state);

#endif
