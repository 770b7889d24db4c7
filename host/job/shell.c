#include "job/shell.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <ctype.h>
#include <string.h>

/*
 * Prints "skip" when the skip file names a step that the given key does not end with. Runs inside
 * the user's images, so it uses the shell alone (contract 6.2, 8.2).
 */
static const char skip_check[] =
    "#!/bin/sh\n"
    "[ -e \"$1\" ] || exit 0\n"
    "text=\n"
    "while IFS= read -r line || [ -n \"$line\" ]; do text=$text$line; done <\"$1\"\n"
    "next=\n"
    "case $text in\n"
    "*'\"nextStep\":'*)\n"
    "  rest=${text#*'\"nextStep\":'}\n"
    "  IFS='\" }'\n"
    "  set -f\n"
    "  for word in ${rest%%,*}; do next=$next$word; done\n"
    "  ;;\n"
    "esac\n"
    "[ -n \"$next\" ] || { echo skip; exit 0; }\n"
    "case $2 in\n"
    "*\"$next\") ;;\n"
    "*) echo skip ;;\n"
    "esac\n"
    "exit 0\n";

static const char script_preamble[] = "\n"
                                      "if [ \"$1\" != skip-check ]; then\n"
                                      "  bash=$(command -p -v bash) || bash=\n"
                                      "  [ -n \"$bash\" ] || [ ! -x /bin/bash ] || bash=/bin/bash\n"
                                      "  [ -z \"$bash\" ] || exec \"$bash\" \"$0\" skip-check\n"
                                      "fi\n"
                                      "unset bash\n"
                                      "set +e\n"
                                      "set -x\n"
                                      "\n";

char *lx_script_name(const struct lx_job *job, size_t step)
{
    lx_auto(str) char *repository = lx_strdup(job->repository);
    for (char *c = repository; *c; c++) {
        if (*c == '/')
            *c = '_';
    }
    return lx_strf("%lld.%zu_%s@%s.sh", (long long)job->id, step, repository, job->commit);
}

int lx_script_text(const struct lx_job *job, size_t step, struct lx_buf *out, struct lx_err *err)
{
    if (lx_buf_adds(out, script_preamble, err) < 0)
        return -1;
    for (char **line = job->steps[step].commands; line && *line; line++) {
        if (lx_buf_adds(out, *line, err) < 0 || lx_buf_addc(out, '\n', err) < 0)
            return -1;
    }
    return 0;
}

int lx_shell_word(struct lx_buf *out, const char *text, struct lx_err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./-_";
    if (*text && text[strspn(text, plain)] == '\0')
        return lx_buf_adds(out, text, err);
    return lx_shell_quote(out, text, strlen(text), err);
}

const char *lx_skip_check(void)
{
    return skip_check;
}

char *lx_workspace_path(const char *path, struct lx_err *err)
{
    lx_auto(str) char *joined = lx_path_join(LX_WORKSPACE, path);
    if (!lx_starts_with(joined, LX_WORKSPACE "/")) {
        lx_fail(err, LX_E_INVALID, "refusing to write outside of working directory: file %s", path);
        return NULL;
    }
    const char *inside = joined + strlen(LX_WORKSPACE "/");
    return lx_strf("%s%s", *inside == '-' ? "./" : "", inside);
}

int lx_step_command(const struct lx_job *job, size_t step, const char *key, struct lx_buf *out,
                    struct lx_err *err)
{
    lx_auto(str) char *name = lx_script_name(job, step);
    lx_auto(str) char *path = lx_strf(LX_WORKSPACE "/" LX_SCRIPT_DIR "/%s", name);
    if (lx_buf_adds(out, "if [ \"$(" LX_WORKSPACE "/nextIndex.sh " LX_WORKSPACE "/skip.json ",
                    err) < 0 ||
        lx_shell_word(out, key, err) < 0 ||
        lx_buf_adds(out, ")\" != \"skip\" ]; then /bin/sh ", err) < 0 ||
        lx_shell_word(out, path, err) < 0 || lx_buf_adds(out, ";  fi", err) < 0)
        return -1;
    return 0;
}

static int setup_git(const char *dir, struct lx_buf *out, struct lx_err *err)
{
    if (lx_buf_adds(out, "git -C ", err) < 0 || lx_shell_word(out, dir, err) < 0)
        return -1;
    return lx_buf_addc(out, ' ', err);
}

/* The headers with which the frontend's git endpoint knows the job (contract 1.2). */
static int setup_headers(const struct lx_setup *setup, struct lx_buf *out, struct lx_err *err)
{
    if (lx_buf_addf(out, err,
                    "-c http.extraHeader=\"Authorization:Bearer $TOKEN\" "
                    "-c http.extraHeader=X-Sourcegraph-Actor-UID:internal "
                    "-c http.extraHeader=X-Sourcegraph-Job-ID:%lld "
                    "-c http.extraHeader=X-Sourcegraph-Executor-Name:",
                    (long long)setup->job->id) < 0 ||
        lx_shell_word(out, setup->executor_name, err) < 0)
        return -1;
    return lx_buf_adds(out, " -c protocol.version=2 ", err);
}

static int setup_fetch(const struct lx_setup *setup, const char *dir, struct lx_buf *out,
                       struct lx_err *err)
{
    const struct lx_job *job = setup->job;
    bool sparse = lx_strv_len(job->sparse_checkout) > 0;
    if (setup_git(dir, out, err) < 0 || setup_headers(setup, out, err) < 0 ||
        lx_buf_addf(out, err, "fetch --progress --no-recurse-submodules%s%s%s%s origin ",
                    job->fetch_tags ? " --tags" : "",
                    job->shallow_clone && !job->fetch_tags ? " --no-tags" : "",
                    job->shallow_clone ? " --depth=1" : "",
                    sparse ? " --filter=blob:none" : "") < 0 ||
        lx_shell_word(out, job->commit, err) < 0)
        return -1;
    return lx_buf_adds(out, "; ", err);
}

static int setup_sparse(const struct lx_job *job, const char *dir, struct lx_buf *out,
                        struct lx_err *err)
{
    if (setup_git(dir, out, err) < 0 ||
        lx_buf_adds(out, "config --local core.sparseCheckout 1; ", err) < 0 ||
        setup_git(dir, out, err) < 0 ||
        lx_buf_adds(out, "sparse-checkout set --no-cone --", err) < 0)
        return -1;
    for (char **pattern = job->sparse_checkout; *pattern; pattern++) {
        if (lx_buf_addc(out, ' ', err) < 0 || lx_shell_word(out, *pattern, err) < 0)
            return -1;
    }
    return lx_buf_adds(out, "; ", err);
}

/* A partial clone fetches blobs while it checks out, so that needs the headers again. */
static int setup_checkout(const struct lx_setup *setup, const char *dir, struct lx_buf *out,
                          struct lx_err *err)
{
    const struct lx_job *job = setup->job;
    if (setup_git(dir, out, err) < 0)
        return -1;
    if (lx_strv_len(job->sparse_checkout) > 0 && setup_headers(setup, out, err) < 0)
        return -1;
    if (lx_buf_adds(out, "checkout --progress --force ", err) < 0 ||
        lx_shell_word(out, job->commit, err) < 0)
        return -1;
    return lx_buf_adds(out, "; ", err);
}

static int setup_clone(const struct lx_setup *setup, struct lx_buf *out, struct lx_err *err)
{
    const char *dir = *setup->job->repository_dir ? setup->job->repository_dir : ".";
    if (lx_buf_adds(out, "mkdir -p ", err) < 0 || lx_shell_word(out, dir, err) < 0 ||
        lx_buf_adds(out, "; ", err) < 0 || setup_git(dir, out, err) < 0 ||
        lx_buf_adds(out, "init; ", err) < 0)
        return -1;
    if (setup->git_ca_cert) {
        if (setup_git(dir, out, err) < 0 ||
            lx_buf_adds(out, "config --local http.sslCAInfo ", err) < 0 ||
            lx_shell_word(out, setup->git_ca_cert, err) < 0 || lx_buf_adds(out, "; ", err) < 0)
            return -1;
    }
    if (setup_git(dir, out, err) < 0 || lx_buf_adds(out, "remote add origin ", err) < 0 ||
        lx_shell_word(out, setup->clone_url, err) < 0 || lx_buf_adds(out, "; ", err) < 0 ||
        setup_git(dir, out, err) < 0 || lx_buf_adds(out, "config --local gc.auto 0; ", err) < 0 ||
        setup_fetch(setup, dir, out, err) < 0)
        return -1;
    if (lx_strv_len(setup->job->sparse_checkout) > 0 && setup_sparse(setup->job, dir, out, err) < 0)
        return -1;
    return setup_checkout(setup, dir, out, err);
}

int lx_setup_command(const struct lx_setup *setup, struct lx_buf *out, struct lx_err *err)
{
    if (lx_buf_adds(out, "set -e; ", err) < 0)
        return -1;
    if (*setup->job->repository && setup_clone(setup, out, err) < 0)
        return -1;
    return lx_cargo_commands(setup->cargo, out, err);
}

/* Whether "(NAME)" with a possible environment name begins at `text`. */
static bool names_variable(const char *text, size_t len)
{
    size_t i = 1;
    if (len < 3 || text[0] != '(')
        return false;
    while (i < len && (isalnum((unsigned char)text[i]) || strchr("_.-", text[i])))
        i++;
    return i > 1 && i < len && text[i] == ')';
}

int lx_kubelet_escape(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    for (size_t i = 0; i < len; i++) {
        bool special = text[i] == '$' && i + 1 < len &&
                       (text[i + 1] == '$' || names_variable(text + i + 1, len - i - 1));
        if (lx_buf_add(out, special ? "$$" : text + i, special ? 2 : 1, err) < 0)
            return -1;
    }
    return 0;
}
