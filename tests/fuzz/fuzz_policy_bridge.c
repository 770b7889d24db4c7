/*
 * JSON through the bridge and back: whatever the executor can send comes back as it was, save
 * that whole floats become integers.
 */
#include "policy/answer.h"
#include "policy/frame.h"
#include "policy/value_json.h"
#include "policy/vm.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lx_answer serve(struct lx_vm *vm, json_t *message)
{
    struct lx_buf in = LX_FRAME_BUF_INIT, out = LX_FRAME_BUF_INIT;
    struct lx_answer answer = {.kind = LX_ANSWER_UNDEFINED};
    if (lx_value_put_json(&in, message, NULL) == 0) {
        lx_assert(lx_vm_serve(vm, in.data, in.len, &out, NULL) == 0);
        lx_assert(
            lx_answer_read(out.data + LX_FRAME_HEAD, out.len - LX_FRAME_HEAD, &answer, NULL) == 0);
        lx_vm_tidy(vm);
    }
    json_decref(message);
    lx_buf_done(&in);
    lx_buf_done(&out);
    return answer;
}

/* The value with whole floats as integers. */
static json_t *normal(const json_t *value)
{
    json_t *walked = (json_t *)(uintptr_t)value;
    double real = json_real_value(value);
    if (json_is_real(value) && real == trunc(real) && fabs(real) < 0x1p63)
        return json_integer((json_int_t)real);
    if (json_is_array(value)) {
        json_t *array = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(array, normal(json_array_get(value, i)));
        return array;
    }
    if (json_is_object(value)) {
        json_t *object = json_object();
        for (void *it = json_object_iter(walked); it; it = json_object_iter_next(walked, it))
            json_object_setn_new(object, json_object_iter_key(it), json_object_iter_key_len(it),
                                 normal(json_object_iter_value(it)));
        return object;
    }
    return json_deep_copy(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lx_vm *vm; /* one for all inputs: they must not reach each other */
    if (!vm) {
        lx_assert(lx_vm_new(&vm, NULL) == 0);
        struct lx_answer loaded =
            serve(vm, json_pack("[s,i,i,{s:s}]", "load", 32 << 20, 1000, "policy",
                                "return {api = 1, f = function(...) return ... end}"));
        lx_assert(loaded.kind == LX_ANSWER_OK);
        lx_answer_done(&loaded);
    }
    json_t *value = NULL;
    if (lx_json_parse((const char *)data, size, &value, NULL))
        return 0;
    struct lx_answer answer = serve(vm, json_pack("[s,s,[O]]", "call", "f", value));
    json_t *expected = normal(value);
    if (answer.kind == LX_ANSWER_OK)
        lx_assert(json_equal(json_array_get(answer.values, 0), expected));
    lx_answer_done(&answer);
    json_decref(expected);
    json_decref(value);
    return 0;
}
