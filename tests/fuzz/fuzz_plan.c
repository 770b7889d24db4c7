/*
 * Any JSON as a policy's manifest: checked, and completed when it passes.
 */
#include "lunexec/plan.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *job = NULL;
    struct lx_err err;
    if (lx_json_parse((const char *)data, size, &job, NULL))
        return 0;
    json_t *command = json_pack("[s]", "sh"),
           *env = json_pack("[{s:s,s:s}]", "name", "A", "value", "1");
    const struct lx_plan_container containers[] = {
        {.name = "a", .init = true, .command = command, .env = env},
        {.name = "b", .command = command, .args = command},
    };
    const struct lx_plan_spec spec = {.name = "j",
                                      .ns = "n",
                                      .queue = "batches",
                                      .job_id = 1,
                                      .executor = "e",
                                      .policy_hash = "h",
                                      .deadline_s = 60,
                                      .containers = containers,
                                      .n_containers = 2};
    if (lx_plan_check(job, &spec, &err) == 0)
        lx_assert(lx_plan_complete(job, &spec, &err) == 0);
    else
        lx_assert(err.code == LX_E_REFUSED);
    json_decref(job);
    json_decref(command);
    json_decref(env);
    return 0;
}
