#include "lunexec/url.h"

#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <curl/curl.h>
#include <string.h>

static void auto_curlu(CURLU **handle)
{
    curl_url_cleanup(*handle);
}

/* One part as a copy of ours; NULL when the URL has none. */
static char *part(CURLU *handle, CURLUPart what)
{
    char *text = NULL;
    if (curl_url_get(handle, what, &text, 0) != CURLUE_OK)
        return NULL;
    char *copy = lx_strdup(text);
    curl_free(text);
    return copy;
}

static int parse_port(CURLU *handle)
{
    lx_auto(str) char *text = part(handle, CURLUPART_PORT);
    uint64_t port = 0;
    if (!text || lx_parse_u64(text, &port) || port > 65535)
        return 0;
    return (int)port;
}

static char *parse_userinfo(CURLU *handle)
{
    lx_auto(secret) char *user = part(handle, CURLUPART_USER);
    lx_auto(secret) char *password = part(handle, CURLUPART_PASSWORD);
    if (!user && !password)
        return NULL;
    return lx_strf("%s%s%s", user ? user : "", password ? ":" : "", password ? password : "");
}

/* Where the authority ends: at the first '/', '?' or '#' after "://". */
static size_t authority_len(const char *base)
{
    const char *start = strstr(base, "://");
    start = start ? start + 3 : base;
    return (size_t)(start - base) + strcspn(start, "/?#");
}

/* The host without the brackets of an IPv6 address. */
static char *parse_host(CURLU *handle)
{
    char *host = part(handle, CURLUPART_HOST);
    size_t len = host ? strlen(host) : 0;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
    return host;
}

int lx_url_parse(const char *text, struct lx_url *ret_url, struct lx_err *err)
{
    /* curl takes one slash, or three, for two. */
    const char *authority = strstr(text, "://");
    if (!authority || authority[3] == '/')
        return lx_fail(err, LX_E_INVALID, "not a URL: no scheme and host");
    __attribute__((cleanup(auto_curlu))) CURLU *handle = curl_url();
    if (!handle)
        return lx_fail(err, LX_E_IO, "out of memory");
    CURLUcode rc = curl_url_set(handle, CURLUPART_URL, text, CURLU_PATH_AS_IS);
    if (rc == CURLUE_UNSUPPORTED_SCHEME)
        return lx_fail(err, LX_E_INVALID, "not an http or https URL");
    if (rc != CURLUE_OK)
        return lx_fail(err, LX_E_INVALID, "not a URL: %s", curl_url_strerror(rc));
    lx_auto(str) char *scheme = part(handle, CURLUPART_SCHEME);
    if (!lx_streq(scheme, "http") && !lx_streq(scheme, "https"))
        return lx_fail(err, LX_E_INVALID, "not an http or https URL");
    lx_auto(str) char *host = parse_host(handle);
    if (!host || !*host)
        return lx_fail(err, LX_E_INVALID, "the URL has no host");
    lx_auto(str) char *path = part(handle, CURLUPART_PATH);
    if (!path || (lx_streq(path, "/") && text[authority_len(text)] != '/')) {
        free(path);
        path = lx_strdup("");
    }
    *ret_url = (struct lx_url){
        .scheme = lx_take(scheme),
        .host = lx_take(host),
        .path = lx_take(path),
        .userinfo = parse_userinfo(handle),
        .port = parse_port(handle),
    };
    return 0;
}

void lx_url_done(struct lx_url *url)
{
    if (!url)
        return;
    free(url->scheme);
    free(url->host);
    free(url->path);
    lx_secret_free(url->userinfo);
    *url = (struct lx_url){0};
}

char *lx_url_join(const char *base, const char *path)
{
    size_t authority = authority_len(base);
    size_t base_path = strcspn(base + authority, "?#");
    size_t path_len = strcspn(path, "?#");
    lx_auto(str) char *joined =
        lx_strf("/%.*s/%.*s", (int)base_path, base + authority, (int)path_len, path);
    lx_auto(str) char *clean = lx_path_clean(joined);
    return lx_strf("%.*s%s%s", (int)authority, base, clean, path + path_len);
}

char *lx_url_resolve(const char *base, const char *absolute_path)
{
    return lx_strf("%.*s%s%s", (int)authority_len(base), base, *absolute_path == '/' ? "" : "/",
                   absolute_path);
}

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int lx_url_escape(struct lx_buf *out, const char *text, size_t len, struct lx_err *err)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        char code[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (unreserved(c) ? lx_buf_addc(out, text[i], err) : lx_buf_add(out, code, 3, err))
            return -1;
    }
    return 0;
}
