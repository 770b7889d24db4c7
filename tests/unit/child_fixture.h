/*
 * A loop and one child of /bin/sh, with what it wrote and how it ended.
 */
#ifndef LUNEXEC_TESTS_CHILD_FIXTURE_H
#define LUNEXEC_TESTS_CHILD_FIXTURE_H

#include "lunexec/buf.h"
#include "lunexec/loop.h"
#include "lunexec/mem.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

struct proc {
    struct lx_loop *loop;
    struct lx_child *child;
    struct lx_buf out, err;
    int64_t status;
    int signal;
    unsigned exits;
    bool exited, spoke;
    bool free_in_exit;
};

static inline void proc_out(void *arg, const char *data, size_t len)
{
    struct proc *p = arg;
    assert_int_equal(p->exits, 0);
    assert_int_equal(lx_buf_add(&p->out, data, len, NULL), 0);
    p->spoke = true;
}

static inline void proc_err(void *arg, const char *data, size_t len)
{
    struct proc *p = arg;
    assert_int_equal(lx_buf_add(&p->err, data, len, NULL), 0);
}

static inline void proc_exit(void *arg, int64_t status, int signal)
{
    struct proc *p = arg;
    p->status = status;
    p->signal = signal;
    p->exits++;
    p->exited = true;
    if (p->free_in_exit) {
        lx_child_free(p->child);
        p->child = NULL;
    }
}

static inline int proc_setup(void **state)
{
    struct proc *p = lx_alloc(sizeof(*p));
    lx_buf_init(&p->out, 8u << 20);
    lx_buf_init(&p->err, 1u << 20);
    assert_int_equal(lx_loop_new(&p->loop, NULL), 0);
    *state = p;
    return 0;
}

static inline int proc_teardown(void **state)
{
    struct proc *p = *state;
    lx_child_free(p->child);
    lx_loop_free(p->loop);
    lx_buf_done(&p->out);
    lx_buf_done(&p->err);
    free(p);
    return 0;
}

/* Starts `script`, with `more` for what else a test wants to say. */
static inline void proc_start(struct proc *p, const char *script, struct lx_child_opts more)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct lx_err err = {0};
    more.argv = argv;
    more.on_out = proc_out;
    more.on_err = proc_err;
    more.on_exit = proc_exit;
    more.arg = p;
    if (lx_child_spawn(p->loop, &more, &p->child, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void proc_wait(struct proc *p)
{
    assert_int_equal(lx_loop_run_until(p->loop, &p->exited, 30000, NULL), 0);
}

/* Runs until the child wrote something. */
static inline void proc_wait_output(struct proc *p)
{
    assert_int_equal(lx_loop_run_until(p->loop, &p->spoke, 30000, NULL), 0);
}

#endif
