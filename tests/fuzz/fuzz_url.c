/* Whatever is accepted as a URL has a scheme and a host, joins to a URL on the same host without a
 * double slash in its path, and escaping leaves nothing that a URL could trip over. */
#include "lunexec/mem.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same_host(const char *text, const struct lx_url *url)
{
    struct lx_url again;
    if (lx_url_parse(text, &again, NULL))
        return; /* the path part may be anything */
    lx_assert(lx_streq(url->host, again.host) && url->port == again.port);
    lx_assert(lx_streq(url->scheme, again.scheme));
    lx_url_done(&again);
}

static void check_escape(const char *text, size_t len)
{
    struct lx_buf out = LX_BUF_INIT(1 << 20);
    lx_assert(lx_url_escape(&out, text, len, NULL) == 0);
    lx_assert(out.len >= len && !strpbrk(lx_buf_str(&out), " /?#&=+:@\"<>\r\n"));
    lx_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    struct lx_url url;
    struct lx_err err = {0};
    check_escape((const char *)data, size);
    lx_auto(str) char *joined = lx_url_join(text, "/.executors//queue/../queue");
    lx_auto(str) char *resolved = lx_url_resolve(text, "/x");
    if (lx_url_parse(text, &url, &err)) {
        lx_assert(err.code == LX_E_INVALID && *err.text);
        return 0;
    }
    lx_assert(*url.host && (lx_streq(url.scheme, "http") || lx_streq(url.scheme, "https")));
    lx_assert(lx_ends_with(joined, "/.executors/queue"));
    lx_assert(!strstr(strstr(joined, "://") + 3, "//"));
    check_same_host(joined, &url);
    check_same_host(resolved, &url);
    lx_url_done(&url);
    return 0;
}
