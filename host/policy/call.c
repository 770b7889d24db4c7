#include "call.h"

#include "frame.h"
#include "value_json.h"

#include <string.h>

struct lx_policy_call *lx_call_new(struct lx_policy *policy, const char *function,
                                   void (*cb)(void *arg, bool defined, json_t *results,
                                              const struct lx_err *err),
                                   void *arg)
{
    struct lx_policy_call *call = lx_alloc(sizeof *call);
    call->policy = policy;
    call->function = lx_strdup(function);
    call->cb = cb;
    call->arg = arg;
    lx_list_init(&call->link);
    lx_buf_init(&call->request, LX_FRAME_HEAD + LX_FRAME_MAX);
    return call;
}

void lx_call_free(struct lx_policy_call *call)
{
    if (!call)
        return;
    lx_list_remove(&call->link);
    lx_task_cancel(&call->task);
    lx_answer_done(&call->answer);
    lx_buf_done(&call->request);
    free(call->function);
    free(call);
}

int lx_call_encode(struct lx_policy_call *call, const json_t *args, struct lx_err *err)
{
    struct lx_buf *out = &call->request;
    if (lx_frame_begin(out, err) || lx_value_put_head(out, LX_VALUE_ARRAY, 3, err) ||
        lx_value_put_string(out, "call", 4, err) ||
        lx_value_put_string(out, call->function, strlen(call->function), err) ||
        lx_value_put_json(out, args, err))
        return lx_wrap(err, "arguments of policy function %s", call->function);
    lx_frame_seal(out);
    return 0;
}
