/* Masking: against a plain search, and form by form. */
#include "lunexec/mask.h"
#include "lunexec/mem.h"
#include "lunexec/rand.h"
#include "lunexec/text.h"

#include "logs/mask_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

LX_DEFINE_AUTO(mask, struct lx_mask *, lx_mask_free)

static struct lx_mask *compile(const struct lx_secret *secrets, size_t n)
{
    struct lx_mask *mask = NULL;
    struct lx_err err = {0};
    if (lx_mask_new(secrets, n, &mask, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return mask;
}

static void expect_masked(const struct lx_secret *secrets, size_t n, const char *text,
                          const char *expected)
{
    lx_auto(mask) struct lx_mask *mask = compile(secrets, n);
    lx_auto(str) char *masked = lx_mask_strdup(mask, text);
    assert_string_equal(masked, expected);
}

#define SECRETS(...)                                                                               \
    (const struct lx_secret[]){__VA_ARGS__},                                                       \
        sizeof((const struct lx_secret[]){__VA_ARGS__}) / sizeof(struct lx_secret)

static void plain_values_are_replaced(void **state)
{
    (void)state;
    expect_masked(SECRETS({"hunter2", "***"}), "pw=hunter2;", "pw=***;");
    expect_masked(SECRETS({"hunter2", "***"}), "hunter2hunter2", "******");
    expect_masked(SECRETS({"hunter2", "***"}), "hunter", "hunter");
    expect_masked(SECRETS({"hunter2", "***"}), "", "");
    expect_masked(SECRETS({"hunter2", ""}), "a hunter2 b", "a  b");
    expect_masked(SECRETS({"ab", "X"}), "aab", "aX");
    expect_masked(SECRETS({"hunter2", "hunter2!"}), "hunter2", "hunter2!");
}

static void leftmost_then_longest(void **state)
{
    (void)state;
    expect_masked(SECRETS({"abc", "1"}, {"abcdef", "2"}), "abcdefg abcde", "2g 1de");
    expect_masked(SECRETS({"abcdef", "2"}, {"abc", "1"}), "abcdefg abcde", "2g 1de");
    expect_masked(SECRETS({"bcd", "1"}, {"abcx", "2"}), "abcd", "a1");
    expect_masked(SECRETS({"bc", "1"}, {"abcd", "2"}), "abcd abcx abc", "2 a1x a1");
    /* After "bc" was found, "cqy", which starts later, must not win. */
    expect_masked(SECRETS({"abcqz", "1"}, {"bc", "2"}, {"cqy", "3"}), "abcqy", "a2qy");
    expect_masked(SECRETS({"aa", "1"}, {"aaaab", "2"}), "aaaaaab aaaaac", "12 11ac");
    /* What follows a match is searched from its end on, also what was looked at already. */
    expect_masked(SECRETS({"aab", "1"}, {"aabaabx", "2"}), "aabaabaabx", "12");
    expect_masked(SECRETS({"token-executor pw12", "B"}, {"pw12", "A"}), "token-executor pw12 pw12",
                  "B A");
}

static void first_of_equal_values_counts(void **state)
{
    (void)state;
    expect_masked(SECRETS({"same", "first"}, {"same", "second"}), "same", "first");
    /* A value itself goes before another's form. */
    expect_masked(SECRETS({"hunter2", "raw"}, {"aHVudGVyMg==", "encoded"}),
                  "aHVudGVyMg==", "encoded");
}

static void short_values_are_ignored(void **state)
{
    (void)state;
    struct lx_mask *mask = NULL;
    size_t ignored = 0;
    const struct lx_secret secrets[] = {{"", "E"},    {"x", "X"},  {"\xc3\xa9", "U"}, {"  ", "B"},
                                        {"x\n", "N"}, {"xy", "Y"}, {"long one", "L"}};
    assert_int_equal(lx_mask_new(secrets, 7, &mask, &ignored, NULL), 0);
    assert_int_equal(ignored, 5);
    lx_auto(str) char *masked = lx_mask_strdup(mask, "x xy \xc3\xa9  x\n long one");
    assert_string_equal(masked, "x Y \xc3\xa9  x\n L");
    lx_mask_free(mask);
}

static void nothing_to_mask(void **state)
{
    (void)state;
    lx_auto(mask) struct lx_mask *mask = compile(NULL, 0);
    lx_auto(str) char *masked = lx_mask_strdup(mask, "as it is");
    assert_string_equal(masked, "as it is");
    lx_auto(str) char *unmasked = lx_mask_strdup(NULL, "as it is");
    assert_string_equal(unmasked, "as it is");
}

/* As `printf %s VALUE | base64` and `openssl base64` print it. */
#define LONG_VALUE "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ____"
#define LONG_WRAPPED_76                                                                            \
    "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDREVGR0hJSktMTU5PUFFSU1RV\n"               \
    "VldYWVpfX19f\n"
#define LONG_WRAPPED_64                                                                            \
    "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDREVGR0hJSktM\n"                           \
    "TU5PUFFSU1RVVldYWVpfX19f\n"

static void forms_are_masked(void **state)
{
    static const struct {
        const char *value, *text, *expected;
    } rows[] = {
        {"correct horse", "Y29ycmVjdCBob3JzZQ==", "***"},
        {"correct horse", "Y29ycmVjdCBob3JzZQ", "***"},
        {"correct horse", "b=Y29ycmVjdCBob3JzZQ==;", "b=***;"},
        {"a?b>c?d>e", "YT9iPmM/ZD5l", "***"},
        {"a?b>c?d>e", "YT9iPmM_ZD5l", "***"},
        {"p@ss w/rd", "x=p%40ss%20w%2Frd&", "x=***&"},
        {"p@ss w/rd", "x=p%40ss%20w%2frd&", "x=***&"},
        {"p@ss w/rd", "x=p%40ss+w%2Frd&", "x=***&"},
        {"p@ss w/rd", "x=p%40ss%20w/rd&", "x=***&"},
        {"it's(me)!", "it's(me)! it%27s%28me%29%21 it's%28me%29!", "*** *** it's%28me%29!"},
        {"it's(me)@", "it's(me)%40", "***"},
        {"say \"hi\"\\", "{\"a\":\"say \\\"hi\\\"\\\\\"}", "{\"a\":\"***\"}"},
        {"line1\nline2\ttab", "\"line1\\nline2\\ttab\"", "\"***\""},
        {"a<b>&c", "\"a\\u003cb\\u003e\\u0026c\"", "\"***\""},
        {"gr\xc3\xbc\xc3\x9f"
         "e",
         "\"gr\\u00fc\\u00dfe\"", "\"***\""},
        {"gr\xc3\xbc\xc3\x9f"
         "e",
         "\"gr\\u00FC\\u00DFe\"", "\"***\""},
        {"key\xf0\x9f\x98\x80!", "\"key\\ud83d\\ude00!\"", "\"***\""},
        {"http://x/y", "\"http:\\/\\/x\\/y\"", "\"***\""},
        {"it's me", "'it'\"'\"'s me'", "'***'"},
        {"it's me", "'it'\\''s me'", "'***'"},
        {"it's me", "it\\'s\\ me", "***"},
        {"it's\ta\nkey", "$'it\\'s\\ta\\nkey'", "$'***'"},
        {LONG_VALUE, LONG_WRAPPED_76, "***\n"},
        {LONG_VALUE, LONG_WRAPPED_64, "***\n"},
        {"a\"b$c`d", "\"a\\\"b\\$c\\`d\"", "\"***\""},
        {"  padded\n", "is padded.", "is ***."},
        {"  padded\n", "cGFkZGVk", "***"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        expect_masked(SECRETS({rows[i].value, "***"}), rows[i].text, rows[i].expected);
}

static void lines_of_a_value_are_masked(void **state)
{
    static const char key[] = "-----BEGIN KEY-----\nMIIEvQIBADAN\r\n}\n  indented text\nabc\n"
                              "-----END KEY-----\n";
    (void)state;
    expect_masked(SECRETS({key, "K"}), key, "K");
    expect_masked(SECRETS({key, "K"}), "got MIIEvQIBADAN", "got K");
    expect_masked(SECRETS({key, "K"}), "x\n-----END KEY-----\ny", "x\nK\ny");
    expect_masked(SECRETS({key, "K"}), "-----BEGIN KEY-----\r\nMIIEvQIBADAN\r\n", "K\r\nK\r\n");
    expect_masked(SECRETS({key, "K"}), "indented text", "K");
    /* Too short to hide wherever they stand. */
    expect_masked(SECRETS({key, "K"}), "} abc", "} abc");
}

/* Whatever surrounds a value that was encoded with it, its own characters are hidden. */
static void embedded_base64_is_masked(void **state)
{
    static const char value[] = "s3cr3t-passw0rd";
    (void)state;
    lx_auto(mask) struct lx_mask *mask = compile(SECRETS({value, "***"}));
    for (size_t before = 0; before < 7; before++) {
        for (size_t after = 0; after < 7; after++) {
            lx_auto(buf) struct lx_buf plain = LX_BUF_INIT(256);
            lx_auto(buf) struct lx_buf text = LX_BUF_INIT(256);
            assert_int_equal(lx_buf_add(&plain, "user:abc", before, NULL), 0);
            assert_int_equal(lx_buf_adds(&plain, value, NULL), 0);
            assert_int_equal(lx_buf_add(&plain, "@host/xyz", after, NULL), 0);
            assert_int_equal(lx_base64_encode(&text, plain.data, plain.len, NULL), 0);
            lx_auto(str) char *masked = lx_mask_strdup(mask, text.data);
            const char *star = strstr(masked, "***");
            assert_non_null(star);
            assert_null(strstr(star + 1, "****"));
            /* At most the two characters at each border that also hold bits of others are left. */
            assert_true(strlen(masked) - 3 <= text.len - 18);
        }
    }
}

static void too_many_secrets_are_refused(void **state)
{
    (void)state;
    lx_auto(str) char *huge = lx_alloc(4 * 1024 * 1024);
    memset(huge, 'a', 4 * 1024 * 1024 - 1);
    const struct lx_secret secret = {huge, "x"};
    struct lx_mask *mask = NULL;
    struct lx_err err = {0};
    assert_int_equal(lx_mask_new(&secret, 1, &mask, NULL, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
    assert_null(mask);
}

/* ---- Against a plain search over the same patterns ---- */

#define MAX_SECRETS 8
#define MAX_TEXT 200

static size_t longest_at(const struct lx_patterns *patterns, const char *text, size_t len,
                         size_t *ret_secret)
{
    size_t best = 0;
    for (size_t i = 0; i < patterns->n; i++) {
        const struct lx_pattern *p = &patterns->list[i];
        if (p->len > best && p->len <= len && memcmp(p->text, text, p->len) == 0) {
            best = p->len;
            *ret_secret = p->secret;
        }
    }
    return best;
}

static void reference(const struct lx_patterns *patterns, const struct lx_secret *secrets,
                      const char *text, size_t len, struct lx_buf *out)
{
    for (size_t at = 0; at < len;) {
        size_t secret = 0, n = longest_at(patterns, text + at, len - at, &secret);
        if (n > 0)
            assert_int_equal(lx_buf_adds(out, secrets[secret].replacement, NULL), 0);
        else
            assert_int_equal(lx_buf_addc(out, text[at], NULL), 0);
        at += n > 0 ? n : 1;
    }
}

static void random_text(struct lx_rand *rand, const char *alphabet, size_t max, char *out)
{
    size_t len = (size_t)lx_rand_below(rand, max);
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[lx_rand_below(rand, strlen(alphabet))];
    out[len] = '\0';
}

/* Feeds in chunks of up to `chunk` bytes. */
static void stream(const struct lx_mask *mask, const char *text, size_t len, size_t chunk,
                   struct lx_rand *rand, struct lx_buf *out)
{
    struct lx_mask_stream *stream = lx_mask_stream_new(mask);
    size_t given = 0;
    while (given < len) {
        size_t n = 1 + (size_t)lx_rand_below(rand, chunk);
        n = n < len - given ? n : len - given;
        assert_int_equal(lx_mask_feed(stream, text + given, n, out, NULL), 0);
        given += n;
        assert_true(lx_mask_held(stream) < mask->longest || mask->longest == 0);
    }
    assert_int_equal(lx_mask_flush(stream, out, NULL), 0);
    assert_int_equal(lx_mask_held(stream), 0);
    lx_mask_stream_free(stream);
}

static void check_random(struct lx_rand *rand, const char *alphabet, size_t max_secret)
{
    static const char *const replacements[MAX_SECRETS] = {"1", "",    "<3>", "4",
                                                          "5", "six", "7",   "8"};
    char values[MAX_SECRETS][64], text[MAX_TEXT] = {0};
    struct lx_secret secrets[MAX_SECRETS];
    size_t n = 1 + (size_t)lx_rand_below(rand, MAX_SECRETS), ignored = 0;
    for (size_t i = 0; i < n; i++) {
        random_text(rand, alphabet, max_secret, values[i]);
        secrets[i] = (struct lx_secret){values[i], replacements[i]};
    }
    random_text(rand, alphabet, MAX_TEXT, text);
    size_t len = strlen(text);

    struct lx_patterns patterns = {0};
    assert_int_equal(lx_patterns_add_all(&patterns, secrets, n, 1 << 20, &ignored, NULL), 0);
    lx_auto(mask) struct lx_mask *mask = compile(secrets, n);
    lx_auto(buf) struct lx_buf expected = LX_BUF_INIT(MAX_TEXT * 4);
    reference(&patterns, secrets, text, len, &expected);
    for (size_t chunk = 1; chunk <= 256; chunk *= 4) {
        lx_auto(buf) struct lx_buf got = LX_BUF_INIT(MAX_TEXT * 4);
        stream(mask, text, len, chunk, rand, &got);
        assert_string_equal(lx_buf_str(&got), lx_buf_str(&expected));
    }
    lx_patterns_done(&patterns);
}

static void agrees_with_a_plain_search(void **state)
{
    struct lx_rand rand;
    (void)state;
    lx_rand_init(&rand, 20240603);
    for (int round = 0; round < 3000; round++)
        check_random(&rand, "ab", 8);
    for (int round = 0; round < 2000; round++)
        check_random(&rand, "abc'\n", 12);
    for (int round = 0; round < 1000; round++)
        check_random(&rand, "abcdefYWJj\\\"%/ ", 24);
}

/* Two secrets at every distance from the border between two chunks, and beyond a slice. */
static void secrets_across_chunks(void **state)
{
    static const char value[] = "0123456789abcdef";
    enum { FILL = 70000 };
    (void)state;
    lx_auto(mask) struct lx_mask *mask = compile(SECRETS({value, "S"}));
    lx_auto(str) char *text = lx_alloc(FILL + 64);
    memset(text, '0', FILL);
    memcpy(text + FILL - 40, value, 16);
    memcpy(text + 65530, value, 16);
    for (size_t cut = FILL - 60; cut < FILL; cut++) {
        lx_auto(buf) struct lx_buf out = LX_BUF_INIT(FILL * 2);
        struct lx_mask_stream *stream = lx_mask_stream_new(mask);
        assert_int_equal(lx_mask_feed(stream, text, cut, &out, NULL), 0);
        assert_int_equal(lx_mask_feed(stream, text + cut, FILL - cut, &out, NULL), 0);
        assert_int_equal(lx_mask_flush(stream, &out, NULL), 0);
        lx_mask_stream_free(stream);
        assert_int_equal(out.len, FILL - 30);
        assert_int_equal(out.data[65530], 'S');
        assert_int_equal(out.data[FILL - 40 - 15], 'S');
    }
}

static void binary_bytes_pass(void **state)
{
    (void)state;
    lx_auto(mask) struct lx_mask *mask = compile(SECRETS({"\xff\xfe\x01", "B"}));
    char text[256];
    for (size_t i = 0; i < 256; i++)
        text[i] = (char)i;
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(1024);
    assert_int_equal(lx_mask_text(mask, text, 256, &out, NULL), 0);
    assert_int_equal(out.len, 256);
    assert_memory_equal(out.data, text, 256);
    lx_buf_reset(&out);
    assert_int_equal(lx_mask_text(mask, "\0\xff\xfe\x01\0", 5, &out, NULL), 0);
    assert_memory_equal(out.data, "\0B\0", 3);
}

static void full_output_is_an_error(void **state)
{
    (void)state;
    lx_auto(mask) struct lx_mask *mask = compile(SECRETS({"secret", "a long replacement"}));
    lx_auto(buf) struct lx_buf out = LX_BUF_INIT(10);
    struct lx_err err = {0};
    assert_int_equal(lx_mask_text(mask, "secret", 6, &out, &err), -1);
    assert_int_equal(err.code, LX_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_values_are_replaced),
        cmocka_unit_test(leftmost_then_longest),
        cmocka_unit_test(first_of_equal_values_counts),
        cmocka_unit_test(short_values_are_ignored),
        cmocka_unit_test(nothing_to_mask),
        cmocka_unit_test(forms_are_masked),
        cmocka_unit_test(lines_of_a_value_are_masked),
        cmocka_unit_test(embedded_base64_is_masked),
        cmocka_unit_test(too_many_secrets_are_refused),
        cmocka_unit_test(agrees_with_a_plain_search),
        cmocka_unit_test(secrets_across_chunks),
        cmocka_unit_test(binary_bytes_pass),
        cmocka_unit_test(full_output_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
