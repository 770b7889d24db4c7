#include "tool.h"

#include "lunexec/file.h"
#include "lunexec/text.h"

#include <stdio.h>

#define ARGUMENTS_MAX ((size_t)8 * 1024 * 1024)

/* The arguments on standard input: a JSON array. */
static int read_arguments(json_t **ret_args, struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf text = LX_BUF_INIT(ARGUMENTS_MAX);
    lx_auto(json) json_t *args = NULL;
    if (lx_file_read("/dev/stdin", &text, err) < 0 ||
        lx_json_parse(lx_buf_str(&text), text.len, &args, err) < 0)
        return lx_wrap(err, "arguments on standard input");
    if (!json_is_array(args))
        return lx_fail(err, LX_E_INVALID, "arguments on standard input: expected a JSON array");
    *ret_args = lx_take(args);
    return 0;
}

/* Text before policy.lua that makes another module's functions the policy's. free(); NULL for none,
 * LX_E_INVALID for what cannot be a module's name. */
static int make_prefix(const char *module, char **ret_prefix, struct lx_err *err)
{
    *ret_prefix = NULL;
    if (!module || lx_streq(module, "policy"))
        return 0;
    for (const char *at = module; *at; at++) {
        bool word = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || *at == '_' || *at == '-' || *at == '.';
        if (!word)
            return lx_fail(err, LX_E_INVALID, "--module \"%s\" is no name of a module", module);
    }
    *ret_prefix = lx_strf("do local functions = {} "
                          "for name, value in pairs(require \"%s\") do functions[name] = value end "
                          "functions.api = 1 return functions end ",
                          module);
    return 0;
}

static int call(struct lx_tool *tool, struct lx_session *session, const char *function,
                struct lx_err *err)
{
    __attribute__((cleanup(lx_auto_buf))) struct lx_buf out = LX_BUF_INIT(ARGUMENTS_MAX);
    lx_auto(json) json_t *args = NULL;
    lx_auto(json) json_t *results = NULL;
    if (read_arguments(&args, err) < 0 ||
        lx_session_call(tool, session, function, args, &results, err) < 0)
        return -1;
    if (!results)
        return lx_fail(err, LX_E_REFUSED, "the policy has no function %s", function);
    if (lx_json_dump(results, &out, err) < 0)
        return -1;
    puts(lx_buf_str(&out));
    return 0;
}

static void list_functions(const struct lx_session *session)
{
    lx_auto(str) char *names = lx_json_text(lx_policy_functions(session->policy));
    puts(names);
}

int lx_policy_call_main(struct lx_tool *tool)
{
    struct lx_session session = {0};
    struct lx_err err;
    int status = LX_TOOL_FINE;
    lx_auto(str) char *prefix = NULL;
    if (make_prefix(tool->module, &prefix, &err) < 0 ||
        lx_session_open(tool, tool->policy_dir, prefix, &session, &err) < 0 ||
        (*tool->args && call(tool, &session, *tool->args, &err) < 0))
        status = lx_session_failed(&session, "", &err);
    else if (!*tool->args)
        list_functions(&session);
    lx_session_close(&session);
    return status;
}
