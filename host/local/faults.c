#include "serve.h"

#include "lunexec/text.h"

#include <string.h>

static void fault_free(struct lx_fault *fault)
{
    lx_list_remove(&fault->link);
    free(fault->match);
    free(fault->retry_after);
    free(fault);
}

void lx_faults_clear(struct lx_list *faults)
{
    lx_list_each (it, faults)
        fault_free(lx_container_of(it, struct lx_fault, link));
}

int lx_faults_control(struct lx_list *faults, const json_t *body, struct lx_err *err)
{
    if (lx_json_bool(body, "clear", false))
        lx_faults_clear(faults);
    size_t i;
    json_t *item;
    json_array_foreach (lx_json_arr(body, "faults"), i, item) {
        const char *match;
        if (lx_json_need_str(item, "match", &match, err))
            return -1;
        struct lx_fault *fault = lx_alloc(sizeof *fault);
        fault->match = lx_strdup(match);
        fault->times = lx_json_int(item, "times", 1);
        fault->status = (unsigned)lx_json_int(item, "status", 0);
        fault->delay_ms = (uint64_t)lx_json_int(item, "delay_ms", 0);
        fault->retry_after = lx_strdup(lx_json_str(item, "retry_after", NULL));
        lx_list_init(&fault->link);
        lx_list_push(faults, &fault->link);
    }
    return 0;
}

const struct lx_fault *lx_faults_take(struct lx_list *faults, const char *method, const char *path)
{
    lx_auto(str) char *call = lx_strf("%s %s", method, path);
    lx_list_each (it, faults) {
        struct lx_fault *fault = lx_container_of(it, struct lx_fault, link);
        if (fault->times <= 0) {
            fault_free(fault);
            continue;
        }
        if (strstr(call, fault->match)) {
            fault->times--;
            return fault;
        }
    }
    return NULL;
}
