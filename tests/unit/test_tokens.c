/* Tokens known by their beginning are masked, whatever the chunks; what only looks like one stays.
 */
#include "lunexec/mask.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include <string.h>

#include "unit.h"

LX_DEFINE_AUTO(tokens, struct lx_tokens *, lx_tokens_free)
LX_DEFINE_AUTO(mask, struct lx_mask *, lx_mask_free)

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ" /* 36 */

static struct lx_tokens *compile(const char *list)
{
    struct lx_tokens *tokens = NULL;
    struct lx_err err = {0};
    if (lx_tokens_new(list, &tokens, &err) < 0)
        fail_msg("%s", err.text);
    return tokens;
}

/* `text` masked in chunks of at most `chunk` bytes. */
static char *masked(const struct lx_tokens *tokens, const char *secret, const char *text,
                    size_t chunk)
{
    lx_auto(mask) struct lx_mask *mask = NULL;
    const struct lx_secret secrets[] = {{secret, "SECRET"}};
    struct lx_buf out = LX_BUF_INIT(1 << 20);
    assert_int_equal(lx_mask_new(secrets, secret ? 1 : 0, &mask, NULL, NULL), 0);
    lx_mask_use_tokens(mask, tokens);
    struct lx_mask_stream *stream = lx_mask_stream_new(mask);
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += chunk) {
        size_t n = len - at < chunk ? len - at : chunk;
        assert_int_equal(lx_mask_feed(stream, text + at, n, &out, NULL), 0);
    }
    assert_int_equal(lx_mask_flush(stream, &out, NULL), 0);
    assert_int_equal(lx_mask_held(stream), 0);
    lx_mask_stream_free(stream);
    return lx_buf_take(&out);
}

static void check(const struct lx_tokens *tokens, const char *text, const char *expected)
{
    for (size_t chunk = 1; chunk <= strlen(text) + 1; chunk++) {
        lx_auto(str) char *got = masked(tokens, NULL, text, chunk);
        assert_string_equal(got, expected);
    }
}

static void known_tokens_are_masked(void **state)
{
    (void)state;
    lx_auto(tokens) struct lx_tokens *tokens = compile("default");
    check(tokens, "ghp_" LETTERS, "****");
    check(tokens, "token: ghs_" LETTERS "0123.\n", "token: ****.\n");
    check(tokens, "https://x:ghp_" LETTERS "@github.com", "https://x:****@github.com");
    check(tokens, "%3Aghp_" LETTERS, "%3A****");
    check(tokens, "github_pat_11ABCDEFG0123456789abc_" LETTERS " end", "**** end");
    check(tokens, "sgp_0123456789abcdef_0123456789abcdef0123456789abcdef01234567", "****");
    check(tokens, "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_ACCESS_KEY_ID=****");
    check(tokens, "a glpat-ABCDEFGHIJ-123456789 and xoxb-1234567890-abcdefghij", "a **** and ****");
    check(tokens, "ghp_ghp_" LETTERS, "****");
}

static void what_looks_like_one_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "ghp_",
        "ghp_short",
        "the high git_hub ghp_"
        "abc def",
        "AKIA",
        "AKIABC",
        "sgp_tests: 12",
        "MAKIAIOSFODNN7EXAMPLE",
        "base64+0AKIAIOSFODNN7EXAMPLE",
    };
    lx_auto(tokens) struct lx_tokens *tokens = compile("default");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check(tokens, texts[i], texts[i]);
}

static void own_patterns(void **state)
{
    (void)state;
    lx_auto(tokens) struct lx_tokens *own = compile(" corp-{4} , x.y");
    check(own, "corp-abcd corp-abc corp-abcdefgh!", "**** corp-abc ****!");
    check(own, "x.y0123456789abcdef ghp_" LETTERS, "**** ghp_" LETTERS);
    lx_auto(tokens) struct lx_tokens *both = compile("default,corp-{4}");
    check(both, "corp-abcd ghp_" LETTERS, "**** ****");
    assert_null(compile("off"));
    assert_null(compile(""));
}

static void bad_patterns_are_named(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "ab",     "abc{0}",  "abc{129}",       "abc{",
        "abc{x}", "abc{1}d", "default,a b{3}", "0123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct lx_tokens *tokens = NULL;
        struct lx_err err = {0};
        assert_int_equal(lx_tokens_new(lists[i], &tokens, &err), -1);
        assert_null(tokens);
        assert_int_equal(err.code, LX_E_INVALID);
        assert_non_null(strstr(err.text, "token pattern"));
    }
}

static void secrets_go_first(void **state)
{
    (void)state;
    lx_auto(tokens) struct lx_tokens *tokens = compile("default");
    lx_auto(str) char *got = masked(tokens, "hunter2", "a hunter2 ghp_" LETTERS " b", 3);
    assert_string_equal(got, "a SECRET **** b");
}

static void programs_text_keeps_tokens(void **state)
{
    (void)state;
    lx_auto(tokens) struct lx_tokens *tokens = compile("default");
    lx_auto(mask) struct lx_mask *mask = NULL;
    const struct lx_secret secret = {"hunter2", "SECRET"};
    struct lx_buf out = LX_BUF_INIT(1024);
    assert_int_equal(lx_mask_new(&secret, 1, &mask, NULL, NULL), 0);
    lx_mask_use_tokens(mask, tokens);
    struct lx_mask_stream *stream = lx_mask_stream_new_secrets(mask);
    const char text[] = "hunter2 ghp_" LETTERS;
    assert_int_equal(lx_mask_feed(stream, text, strlen(text), &out, NULL), 0);
    assert_int_equal(lx_mask_flush(stream, &out, NULL), 0);
    assert_string_equal(lx_buf_str(&out), "SECRET ghp_" LETTERS);
    lx_mask_stream_free(stream);
    lx_buf_done(&out);

    lx_auto(str) char *whole = lx_mask_strdup(mask, text);
    assert_string_equal(whole, "SECRET ****");
}

/* Random texts of token parts: chunked as at once. */
static void chunks_make_no_difference(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "ghp_",  "AKIA", "a",     "_", " ", "\n", "gh", "0123456789abcdef",
        LETTERS, "sgp",  "xoxb-", "-", "="};
    lx_auto(tokens) struct lx_tokens *tokens = compile("default");
    struct lx_rand rand;
    lx_rand_init(&rand, 11);
    for (unsigned round = 0; round < 2000; round++) {
        struct lx_buf text = LX_BUF_INIT(4096);
        for (uint64_t n = lx_rand_below(&rand, 12); n > 0; n--)
            (void)lx_buf_adds(&text, parts[lx_rand_below(&rand, sizeof parts / sizeof *parts)],
                              NULL);
        lx_auto(str) char *once = masked(tokens, NULL, lx_buf_str(&text), 4096);
        lx_auto(str) char *cut =
            masked(tokens, NULL, lx_buf_str(&text), 1 + (size_t)lx_rand_below(&rand, 9));
        assert_string_equal(once, cut);
        lx_buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_tokens_are_masked),
        cmocka_unit_test(what_looks_like_one_stays),
        cmocka_unit_test(own_patterns),
        cmocka_unit_test(bad_patterns_are_named),
        cmocka_unit_test(secrets_go_first),
        cmocka_unit_test(programs_text_keeps_tokens),
        cmocka_unit_test(chunks_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
