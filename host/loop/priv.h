#ifndef LX_LOOP_PRIV_H
#define LX_LOOP_PRIV_H

#include "lunexec/list.h"

#include <stdbool.h>
#include <uv.h>

struct lx_loop {
    uv_loop_t uv;
    uv_idle_t idle;    /* started only while tasks wait, so that an idle loop sleeps */
    uv_prepare_t goal; /* started only in lx_loop_run_until */
    struct lx_list tasks;
};

#endif
