/*
 * Git smart HTTP through `git http-backend`, a CGI program (contract 1.3 #14).
 */
#include "frontend.h"

#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <string.h>

#define ANSWER_MAX ((size_t)1 << 30)

struct git_run {
    struct lx_list link;
    struct lx_frontend *fe;
    struct lx_httpd_req *req;
    struct lx_child *child;
    struct lx_buf out;
    bool too_big;
};

static void run_free(struct git_run *run)
{
    lx_list_remove(&run->link);
    lx_child_free(run->child);
    lx_buf_done(&run->out);
    free(run);
}

void lx_frontend_git_stop(struct lx_frontend *fe)
{
    lx_list_each (it, &fe->git_runs)
        run_free(lx_container_of(it, struct git_run, link));
}

static void on_out(void *arg, const char *data, size_t len)
{
    struct git_run *run = arg;
    if (lx_buf_add(&run->out, data, len, NULL))
        run->too_big = true;
}

/* The value of a CGI header in the block before the empty line; NULL if absent; free(). */
static char *cgi_header(const char *head, size_t head_len, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *at = head; at < head + head_len;) {
        const char *end = strchr(at, '\n');
        if (strncasecmp(at, name, name_len) == 0 && at[name_len] == ':') {
            at += name_len + 1;
            at += strspn(at, " ");
            return lx_strndup(at, strcspn(at, "\r\n"));
        }
        if (!end)
            break;
        at = end + 1;
    }
    return NULL;
}

static void on_exit_status(void *arg, int64_t status, int signal)
{
    struct git_run *run = arg;
    struct lx_serve *serve = run->fe->serve;
    const char *text = lx_buf_str(&run->out);
    const char *body = strstr(text, "\r\n\r\n");
    if (!body || run->too_big || (status != 0 && run->out.len == 0)) {
        lx_auto(str) char *why = lx_strf("git http-backend failed: exit status %lld, signal %d",
                                         (long long)status, signal);
        lx_serve_reply_text(serve, run->req, 500, why);
        run_free(run);
        return;
    }
    size_t head_len = (size_t)(body - text);
    body += strlen("\r\n\r\n");
    lx_auto(str) char *type = cgi_header(text, head_len, "Content-Type");
    lx_auto(str) char *line = cgi_header(text, head_len, "Status");
    uint64_t code = 200;
    if (line) {
        line[strcspn(line, " ")] = '\0';
        if (lx_parse_u64(line, &code))
            code = 500;
    }
    lx_serve_reply(serve, run->req, (unsigned)code, type ? type : "text/plain", body,
                   run->out.len - (size_t)(body - text));
    run_free(run);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void start(struct lx_frontend *fe, struct lx_httpd_req *req, const struct lx_repo *repo,
                  const char *info)
{
    struct git_run *run = lx_alloc(sizeof *run);
    run->fe = fe;
    run->req = req;
    lx_buf_init(&run->out, ANSWER_MAX);
    lx_list_init(&run->link);
    lx_list_push(&fe->git_runs, &run->link);
    size_t body_len = 0;
    const char *body = lx_httpd_body(req, &body_len);
    const char *protocol = or_empty(lx_httpd_header(req, "Git-Protocol"));
    char *env[] = {
        lx_strdup("PATH=/usr/local/bin:/usr/bin:/bin"),
        lx_strf("GIT_PROJECT_ROOT=%s", repo->dir),
        lx_strf("PATH_INFO=%s", info),
        lx_strf("QUERY_STRING=%s", lx_httpd_query_string(req)),
        lx_strf("REQUEST_METHOD=%s", lx_httpd_method(req)),
        lx_strf("CONTENT_TYPE=%s", or_empty(lx_httpd_header(req, "Content-Type"))),
        lx_strf("CONTENT_LENGTH=%zu", body_len),
        lx_strf("HTTP_CONTENT_ENCODING=%s", or_empty(lx_httpd_header(req, "Content-Encoding"))),
        lx_strf("HTTP_GIT_PROTOCOL=%s", protocol),
        lx_strf("GIT_PROTOCOL=%s", protocol),
        lx_strdup("GIT_HTTP_EXPORT_ALL=1"),
        lx_strdup("GIT_CONFIG_NOSYSTEM=1"),
        lx_strdup("GIT_CONFIG_GLOBAL=/dev/null"),
        lx_strdup("GIT_CONFIG_COUNT=2"),
        lx_strdup("GIT_CONFIG_KEY_0=uploadpack.allowAnySHA1InWant"),
        lx_strdup("GIT_CONFIG_VALUE_0=true"),
        lx_strdup("GIT_CONFIG_KEY_1=safe.directory"),
        lx_strdup("GIT_CONFIG_VALUE_1=*"),
        NULL,
    };
    static const char *const argv[] = {"git", "http-backend", NULL};
    struct lx_child_opts opts = {.argv = argv,
                                 .env = (const char *const *)env,
                                 .in = body ? body : "",
                                 .in_len = body_len,
                                 .fd3 = -1,
                                 .on_out = on_out,
                                 .on_exit = on_exit_status,
                                 .arg = run};
    struct lx_err err = {0};
    int rc = lx_child_spawn(fe->loop, &opts, &run->child, &err);
    for (size_t i = 0; env[i]; i++)
        free(env[i]);
    if (rc) {
        lx_serve_reply_text(fe->serve, req, 500, err.text);
        run_free(run);
    }
}

static const struct lx_repo *find_repo(const struct lx_frontend *fe, const char *name)
{
    lx_list_each (it, &fe->repos) {
        const struct lx_repo *repo = lx_container_of(it, struct lx_repo, link);
        if (lx_streq(repo->name, name))
            return repo;
    }
    return NULL;
}

/* `path` begins at {repo}, which may contain slashes. */
void lx_frontend_git(struct lx_frontend *fe, struct lx_httpd_req *req, const char *path)
{
    bool ok;
    const struct lx_record *record = lx_frontend_job_of(fe, req, NULL, &ok);
    if (!ok)
        return;
    if (!lx_streq(lx_httpd_header(req, "X-Sourcegraph-Actor-UID"), "internal"))
        lx_frontend_violation(fe, "git: X-Sourcegraph-Actor-UID is not internal");
    static const char *const ends[] = {"/info/refs", "/git-upload-pack"};
    for (size_t i = 0; i < 2; i++) {
        if (!lx_ends_with(path, ends[i]))
            continue;
        lx_auto(str) char *name = lx_strndup(path, strlen(path) - strlen(ends[i]));
        const struct lx_repo *repo = find_repo(fe, name);
        if (record && !lx_streq(record->repo, name)) {
            lx_frontend_violation(fe, "git: %s is not the job's repository", name);
            lx_serve_reply_text(fe->serve, req, 403, "token belongs to another repository");
        } else if (!repo) {
            lx_serve_reply_text(fe->serve, req, 404, "repository not found");
        } else {
            start(fe, req, repo, ends[i]);
        }
        return;
    }
    lx_serve_reply_text(fe->serve, req, 404, "no such git service");
}
