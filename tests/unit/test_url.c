#include "lunexec/url.h"

#include "lunexec/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_parse(const char *text, const char *scheme, const char *host, int port,
                        const char *path, const char *userinfo)
{
    struct lx_url url;
    struct lx_err err = {0};
    if (lx_url_parse(text, &url, &err))
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(url.scheme, scheme);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(url.path, path);
    if (userinfo)
        assert_string_equal(url.userinfo, userinfo);
    else
        assert_null(url.userinfo);
    lx_url_done(&url);
}

static void test_parse(void **state)
{
    (void)state;
    check_parse("http://h", "http", "h", 0, "", NULL);
    check_parse("https://sourcegraph.example.com:8443/x/y", "https", "sourcegraph.example.com",
                8443, "/x/y", NULL);
    check_parse("http://h/", "http", "h", 0, "/", NULL);
    check_parse("http://h?q=1", "http", "h", 0, "", NULL);
    check_parse("HTTP://127.0.0.1:80/a/../b", "http", "127.0.0.1", 80, "/a/../b", NULL);
    check_parse("https://[::1]:6443", "https", "::1", 6443, "", NULL);
    check_parse("https://user:pa%20ss@h/x", "https", "h", 0, "/x", "user:pa%20ss");
    check_parse("https://user@h", "https", "h", 0, "", "user");
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",           "h",          "/x",           "//h",          "ftp://h",
        "file:///x",  "http://",    "http:///x",    "http://h:x",   "http://h:99999",
        "http://a b", "http://[::", "http://h\r\n", "gopher://h/x", "localhost:3080",
        "http:/h/x",  "http:h",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lx_url url;
        struct lx_err err = {0};
        if (lx_url_parse(bad[i], &url, &err) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.code, LX_E_INVALID);
        assert_true(*err.text != '\0');
    }
}

static void check_join(const char *base, const char *path, const char *expected)
{
    lx_auto(str) char *joined = lx_url_join(base, path);
    assert_string_equal(joined, expected);
}

static void test_join(void **state)
{
    (void)state;
    check_join("http://h", "/.executors/queue", "http://h/.executors/queue");
    check_join("http://h/", "/.executors/queue", "http://h/.executors/queue");
    check_join("http://h/x", "/.executors/queue", "http://h/x/.executors/queue");
    check_join("http://h:80/x//", "//y/./z", "http://h:80/x/y/z");
    check_join("https://[::1]:6443", "api/v1", "https://[::1]:6443/api/v1");
    check_join("http://h/x?old=1#f", "/y", "http://h/x/y");
    check_join("http://h/x", "/y?a=b/../c&d=//e", "http://h/x/y?a=b/../c&d=//e");
    check_join("http://h/x", "", "http://h/x");
    check_join("http://h", "", "http://h/");
}

static void check_resolve(const char *base, const char *path, const char *expected)
{
    lx_auto(str) char *resolved = lx_url_resolve(base, path);
    assert_string_equal(resolved, expected);
}

static void test_resolve(void **state)
{
    (void)state;
    check_resolve("http://h/x", "/.executors/git/r", "http://h/.executors/git/r");
    check_resolve("http://h:81", "/.executors/git/r", "http://h:81/.executors/git/r");
    check_resolve("http://u:p@h/x?q", "/y", "http://u:p@h/y");
    check_resolve("http://h", "y", "http://h/y");
}

static void test_escape(void **state)
{
    struct lx_buf out = LX_BUF_INIT(100);
    (void)state;
    assert_int_equal(lx_url_escape(&out, "aZ09-._~", 8, NULL), 0);
    assert_int_equal(lx_url_escape(&out, " /%?\xc3\xa9\0=", 8, NULL), 0);
    assert_string_equal(lx_buf_str(&out), "aZ09-._~%20%2F%25%3F%C3%A9%00%3D");
    lx_buf_done(&out);
}

static void test_escape_limit(void **state)
{
    struct lx_buf out = LX_BUF_INIT(5);
    struct lx_err err = {0};
    (void)state;
    assert_int_equal(lx_url_escape(&out, "//", 2, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    lx_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_join),   cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_escape), cmocka_unit_test(test_escape_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
