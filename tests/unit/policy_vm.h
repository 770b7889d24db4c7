/*
 * For tests: a policy VM in this process, spoken to in JSON.
 */
#ifndef LX_TEST_POLICY_VM_H
#define LX_TEST_POLICY_VM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/answer.h"
#include "policy/frame.h"
#include "policy/value_json.h"
#include "policy/vm.h"

#define TEST_MEMORY ((int64_t)8 << 20)

/* Serves one message, which is released; the caller frees the answer. */
static inline struct lx_answer vm_serve(struct lx_vm *vm, json_t *message)
{
    struct lx_buf in = LX_FRAME_BUF_INIT, out = LX_FRAME_BUF_INIT;
    struct lx_err err;
    struct lx_answer answer;
    const char *data = NULL;
    size_t len = 0, missing = 0;
    assert_non_null(message);
    assert_int_equal(lx_value_put_json(&in, message, NULL), 0);
    json_decref(message);
    if (lx_vm_serve(vm, in.data, in.len, &out, &err))
        fail_msg("serve: %s", err.text);
    assert_int_equal(lx_frame_peek(&out, &data, &len, &missing, NULL), 1);
    if (lx_answer_read(data, len, &answer, &err))
        fail_msg("answer: %s", err.text);
    lx_buf_done(&in);
    lx_buf_done(&out);
    lx_vm_tidy(vm);
    return answer;
}

/* A VM with the modules {name: source}; fails the test when they do not load. */
static inline struct lx_vm *vm_with(json_t *modules)
{
    struct lx_vm *vm = NULL;
    assert_int_equal(lx_vm_new(&vm, NULL), 0);
    struct lx_answer answer =
        vm_serve(vm, json_pack("[s,I,i,o]", "load", TEST_MEMORY, 1000, modules));
    if (answer.kind != LX_ANSWER_OK)
        fail_msg("load: %s", answer.text);
    lx_answer_done(&answer);
    return vm;
}

/* A VM whose policy is one function, f, with this body; `...` are its arguments. */
static inline struct lx_vm *vm_with_body(const char *body)
{
    char *source = lx_strf("local json = require 'lunexec.json'\n"
                           "return { api = 1, f = function(...)\n%s\nend }",
                           body);
    struct lx_vm *vm = vm_with(json_pack("{s:s}", "policy", source));
    free(source);
    return vm;
}

/* Calls f with JSON arguments ("[1, {}]"). */
static inline struct lx_answer vm_call(struct lx_vm *vm, const char *args)
{
    json_t *values = NULL;
    assert_int_equal(lx_json_parse(args, strlen(args), &values, NULL), 0);
    return vm_serve(vm, json_pack("[s,s,o]", "call", "f", values));
}

/* Runs the body once and compares all results with the JSON text of an array. */
static inline void check_results(const char *body, const char *args, const char *results)
{
    struct lx_vm *vm = vm_with_body(body);
    struct lx_answer answer = vm_call(vm, args);
    if (answer.kind != LX_ANSWER_OK)
        fail_msg("%s: %s", body, answer.text);
    char *text = lx_json_text(answer.values);
    assert_string_equal(text, results);
    free(text);
    lx_answer_done(&answer);
    lx_vm_free(vm);
}

/* Runs the body once; its error must contain `expected`. */
static inline void check_error(const char *body, const char *expected)
{
    struct lx_vm *vm = vm_with_body(body);
    struct lx_answer answer = vm_call(vm, "[]");
    if (answer.kind != LX_ANSWER_ERROR && answer.kind != LX_ANSWER_LIMIT)
        fail_msg("%s: no error", body);
    if (!strstr(answer.text, expected))
        fail_msg("%s: the error is: %s", body, answer.text);
    lx_answer_done(&answer);
    lx_vm_free(vm);
}

#endif
