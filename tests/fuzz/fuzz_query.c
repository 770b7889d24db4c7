/* Decoding of a request's path and query: never longer than what was sent, and a text that was
 * escaped comes back as it was. */
#include "lunexec/mem.h"
#include "lunexec/url.h"

#include "net/httpd_priv.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const char *text)
{
    struct lx_buf out = LX_BUF_INIT(1 << 20);
    lx_assert(lx_buf_adds(&out, "name=", NULL) == 0);
    lx_assert(lx_url_escape(&out, text, strlen(text), NULL) == 0);
    struct lx_httpd_pair *pairs = lx_httpd_parse_query(lx_buf_str(&out));
    lx_assert(strcmp(pairs[0].name, "name") == 0 && strcmp(pairs[0].value, text) == 0);
    lx_assert(!pairs[1].name);
    lx_httpd_pairs_free(pairs);
    lx_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    size_t len = strlen(text), total = 0;
    lx_auto(str) char *path = lx_httpd_decode(text, len, false);
    lx_assert(strlen(path) <= len);
    struct lx_httpd_pair *pairs = lx_httpd_parse_query(text);
    for (struct lx_httpd_pair *pair = pairs; pair->name; pair++)
        total += strlen(pair->name) + strlen(pair->value);
    lx_assert(total <= len);
    lx_httpd_pairs_free(pairs);
    check_round_trip(text);
    return 0;
}
