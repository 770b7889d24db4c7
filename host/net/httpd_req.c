/* A request as the handler sees it. */
#include "net/httpd_priv.h"

#include "lunexec/mem.h"
#include "lunexec/text.h"

#include <string.h>
#include <strings.h>

struct lx_httpd_req *lx_httpd_req_new(struct lx_httpd *httpd, struct MHD_Connection *conn,
                                      const char *uri)
{
    struct lx_httpd_req *req = lx_alloc(sizeof(*req));
    size_t path_len = strcspn(uri, "?");
    req->httpd = httpd;
    req->conn = conn;
    req->raw_path = lx_strndup(uri, path_len);
    req->query_string = lx_strdup(uri[path_len] ? uri + path_len + 1 : "");
    lx_buf_init(&req->body, httpd->max_body);
    lx_task_init(&req->task, NULL, NULL);
    lx_list_push(&httpd->reqs, &req->link);
    return req;
}

void lx_httpd_pairs_free(struct lx_httpd_pair *pairs)
{
    for (struct lx_httpd_pair *pair = pairs; pair && pair->name; pair++) {
        free(pair->name);
        free(pair->value);
    }
    free(pairs);
}

void lx_httpd_req_free(struct lx_httpd_req *req)
{
    lx_list_remove(&req->link);
    lx_task_cancel(&req->task);
    lx_httpd_poll_close(req->hangup);
    if (req->response)
        MHD_destroy_response(req->response);
    lx_httpd_pairs_free(req->headers);
    lx_httpd_pairs_free(req->query);
    free(req->method);
    free(req->raw_path);
    free(req->path);
    free(req->query_string);
    lx_buf_done(&req->body);
    lx_buf_done(&req->out);
    free(req);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *lx_httpd_decode(const char *text, size_t len, bool plus_is_space)
{
    char *out = lx_strndup(text, len);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int high = i + 2 < len && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0 && (high || low)) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    out[n] = '\0';
    return out;
}

struct lx_httpd_pair *lx_httpd_parse_query(const char *text)
{
    size_t count = 1;
    for (const char *p = text; *p; p++)
        count += *p == '&';
    struct lx_httpd_pair *pairs = lx_alloc_array(count + 1, sizeof(*pairs));
    struct lx_httpd_pair *pair = pairs;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "&");
        const char *equals = memchr(p, '=', len);
        size_t name_len = equals ? (size_t)(equals - p) : len;
        if (len > 0) {
            pair->name = lx_httpd_decode(p, name_len, true);
            pair->value =
                equals ? lx_httpd_decode(equals + 1, len - name_len - 1, true) : lx_strdup("");
            pair++;
        }
        p += len + (p[len] == '&');
    }
    return pairs;
}

static enum MHD_Result add_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct lx_httpd_pair **next = arg;
    (void)kind;
    (*next)->name = lx_strdup(name);
    (*next)->value = lx_strdup(value ? value : "");
    (*next)++;
    return MHD_YES;
}

void lx_httpd_req_capture(struct lx_httpd_req *req, const char *method)
{
    int count = MHD_get_connection_values(req->conn, MHD_HEADER_KIND, NULL, NULL);
    req->headers = lx_alloc_array((size_t)(count > 0 ? count : 0) + 1, sizeof(*req->headers));
    struct lx_httpd_pair *next = req->headers;
    (void)MHD_get_connection_values(req->conn, MHD_HEADER_KIND, add_header, &next);
    req->method = lx_strdup(method);
    req->path = lx_httpd_decode(req->raw_path, strlen(req->raw_path), false);
    req->query = lx_httpd_parse_query(req->query_string);
}

const char *lx_httpd_method(const struct lx_httpd_req *req)
{
    return req->method;
}

const char *lx_httpd_path(const struct lx_httpd_req *req)
{
    return req->path;
}

const char *lx_httpd_raw_path(const struct lx_httpd_req *req)
{
    return req->raw_path;
}

const char *lx_httpd_query_string(const struct lx_httpd_req *req)
{
    return req->query_string;
}

const char *lx_httpd_query(const struct lx_httpd_req *req, const char *name)
{
    for (const struct lx_httpd_pair *pair = req->query; pair->name; pair++) {
        if (lx_streq(pair->name, name))
            return pair->value;
    }
    return NULL;
}

const char *lx_httpd_header(const struct lx_httpd_req *req, const char *name)
{
    for (const struct lx_httpd_pair *pair = req->headers; pair->name; pair++) {
        if (strcasecmp(pair->name, name) == 0)
            return pair->value;
    }
    return NULL;
}

const char *lx_httpd_body(const struct lx_httpd_req *req, size_t *ret_len)
{
    if (ret_len)
        *ret_len = req->body.len;
    return lx_buf_str(&req->body);
}
