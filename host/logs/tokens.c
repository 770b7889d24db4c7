#include "logs/tokens.h"

#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/text.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define MASKED "****"
#define PREFIX_MIN 3u
#define RUN_DEFAULT 16
#define FILTER_BITS 12
#define FEED_MAX ((size_t)64 * 1024)

/* How the tokens of forges, clouds and chats begin, and how many characters follow at least. */
static const char builtin[] =
    "ghp_{36},gho_{36},ghu_{36},ghs_{36},ghr_{36},github_pat_{22}," /* GitHub */
    "glpat-{20},gldt-{20},glrt-{20},glcbt-{20},"                    /* GitLab */
    "sgp_{40},sgd_{40},slk_{40},"                                   /* Sourcegraph */
    "xoxb-{20},xoxp-{20},xoxa-{20},xoxs-{20},xapp-{20},"            /* Slack */
    "AKIA{16},ASIA{16},AIza{35},"                                   /* AWS, Google */
    "npm_{36},pypi-{50},dckr_pat_{27},sk-ant-{20},hf_{34}";         /* registries, models */

struct token {
    char *prefix;
    size_t len, run;
    bool at_border; /* only where no letter or digit stands before it */
};

struct lx_tokens {
    struct token *list;
    size_t n, cap;
    uint8_t filter[1u << FILTER_BITS]; /* whether three bytes can begin a token */
};

static bool is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_token_char(uint8_t c)
{
    return is_alnum(c) || c == '_' || c == '-';
}

static uint32_t hash_word(uint32_t word)
{
    return (word * 2654435761u) >> (32 - FILTER_BITS);
}

static uint32_t hash(const uint8_t *three)
{
    return hash_word(three[0] | (uint32_t)three[1] << 8 | (uint32_t)three[2] << 16);
}

/* ---- Compiling ---- */

static int bad_item(struct lx_err *err, const char *item)
{
    return lx_fail(err, LX_E_INVALID,
                   "\"%s\" is no token pattern: a prefix of 3 to 32 characters, then {1} to {128} "
                   "for how many follow at least",
                   item);
}

static void add_token(struct lx_tokens *tokens, const char *prefix, size_t len, size_t run)
{
    if (tokens->n == tokens->cap) {
        size_t cap = tokens->cap ? tokens->cap * 2 : 32;
        struct token *list = lx_alloc_array(cap, sizeof *list);
        if (tokens->n > 0)
            memcpy(list, tokens->list, tokens->n * sizeof *list);
        free(tokens->list);
        tokens->list = list;
        tokens->cap = cap;
    }
    tokens->list[tokens->n++] = (struct token){
        .prefix = lx_strndup(prefix, len),
        .len = len,
        .run = run,
        .at_border = is_alnum((uint8_t)prefix[len - 1]),
    };
    tokens->filter[hash((const uint8_t *)prefix)] = 1;
}

static int add_item(struct lx_tokens *tokens, const char *item, struct lx_err *err)
{
    size_t len = strcspn(item, "{");
    uint64_t run = RUN_DEFAULT;
    if (item[len] == '{') {
        size_t digits = strspn(item + len + 1, "0123456789");
        lx_auto(str) char *number = lx_strndup(item + len + 1, digits);
        if (!lx_streq(item + len + 1 + digits, "}") || lx_parse_u64(number, &run) < 0 || run < 1 ||
            run > LX_TOKEN_RUN_MAX)
            return bad_item(err, item);
    }
    if (len < PREFIX_MIN || len > LX_TOKEN_PREFIX_MAX)
        return bad_item(err, item);
    for (size_t i = 0; i < len; i++) {
        if (item[i] <= ' ' || item[i] > '~')
            return bad_item(err, item);
    }
    add_token(tokens, item, len, (size_t)run);
    return 0;
}

/* Without the blanks around it. */
static char *trimmed(const char *item)
{
    size_t begin = strspn(item, " \t"), len = strlen(item + begin);
    while (len > 0 && strchr(" \t", item[begin + len - 1]))
        len--;
    return lx_strndup(item + begin, len);
}

static int add_list(struct lx_tokens *tokens, const char *list, bool own, struct lx_err *err)
{
    lx_auto(strv) char **items = lx_split(list, ',');
    for (char **item = items; *item; item++) {
        lx_auto(str) char *text = trimmed(*item);
        int rc = 0;
        if (own && lx_streq(text, "default"))
            rc = add_list(tokens, builtin, false, err);
        else if (*text)
            rc = add_item(tokens, text, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int lx_tokens_new(const char *list, struct lx_tokens **ret_tokens, struct lx_err *err)
{
    *ret_tokens = NULL;
    if (lx_streq(list, "off"))
        return 0;
    struct lx_tokens *tokens = lx_alloc(sizeof *tokens);
    if (add_list(tokens, list, true, err) < 0) {
        lx_tokens_free(tokens);
        return -1;
    }
    if (tokens->n == 0)
        lx_tokens_free(lx_take(tokens));
    *ret_tokens = tokens;
    return 0;
}

void lx_tokens_free(struct lx_tokens *tokens)
{
    if (!tokens)
        return;
    for (size_t i = 0; i < tokens->n; i++)
        free(tokens->list[i].prefix);
    free(tokens->list);
    free(tokens);
}

/* ---- Streams ---- */

/* A pass over held bytes and new ones together. */
struct pass {
    struct lx_token_stream *stream;
    const uint8_t *data;
    size_t len, given, pos;
    bool last; /* nothing follows */
    struct lx_buf *out;
};

enum found { FOUND_NONE, FOUND_TOKEN, FOUND_OPEN };

/* Whether a token of this kind begins at `text`; *ret_len is how much of it is certain. */
static enum found match_one(const struct token *token, const uint8_t *text, size_t rest,
                            size_t *ret_len)
{
    size_t n = rest < token->len ? rest : token->len;
    if (memcmp(text, token->prefix, n) != 0)
        return FOUND_NONE;
    *ret_len = token->len + token->run;
    for (; n < rest && n < *ret_len; n++) {
        if (!is_token_char(text[n]))
            return FOUND_NONE;
    }
    return n == *ret_len ? FOUND_TOKEN : FOUND_OPEN;
}

static enum found match(const struct pass *pass, size_t pos, size_t *ret_len)
{
    const struct lx_tokens *tokens = pass->stream->tokens;
    bool after = pos > 0 ? is_alnum(pass->data[pos - 1]) : pass->stream->after_word;
    enum found best = FOUND_NONE;
    for (size_t i = 0; i < tokens->n; i++) {
        if (after && tokens->list[i].at_border)
            continue;
        enum found found = match_one(&tokens->list[i], pass->data + pos, pass->len - pos, ret_len);
        if (found == FOUND_TOKEN)
            return found;
        if (found == FOUND_OPEN && !pass->last)
            best = found;
    }
    return best;
}

/* Where a token may begin, from the pass's position on. */
static size_t next_candidate(const struct pass *pass)
{
    const uint8_t *filter = pass->stream->tokens->filter;
    size_t pos = pass->pos;
    /* Six positions a load, as most of a log is no candidate. */
    for (; pos + sizeof(uint64_t) <= pass->len; pos += 6) {
        uint64_t word;
        uint8_t hit = 0;
        memcpy(&word, pass->data + pos, sizeof(word));
        word = le64toh(word);
        for (unsigned i = 0; i < 6; i++)
            hit |= filter[hash_word((uint32_t)(word >> (8 * i)) & 0xffffff)];
        if (hit)
            break;
    }
    while (pos + PREFIX_MIN <= pass->len && !filter[hash(pass->data + pos)])
        pos++;
    return pos;
}

static int give(struct pass *pass, size_t until, struct lx_err *err)
{
    size_t n = until - pass->given;
    if (n == 0)
        return 0;
    pass->stream->after_word = is_alnum(pass->data[until - 1]);
    return lx_buf_add(pass->out, pass->data + pass->given, n, err);
}

/* To the end of the data, or to what must be held: `given` is where that begins. */
static int run(struct pass *pass, struct lx_err *err)
{
    struct lx_token_stream *stream = pass->stream;
    size_t len = 0;
    while (pass->pos < pass->len) {
        if (stream->in_token) {
            while (pass->pos < pass->len && is_token_char(pass->data[pass->pos]))
                pass->pos++;
            pass->given = pass->pos;
            stream->in_token = pass->pos == pass->len;
            continue;
        }
        pass->pos = next_candidate(pass);
        if (pass->pos == pass->len)
            break;
        enum found found = match(pass, pass->pos, &len);
        if (found == FOUND_NONE) {
            pass->pos++;
            continue;
        }
        if (give(pass, pass->pos, err) < 0)
            return -1;
        pass->given = pass->pos;
        if (found == FOUND_OPEN)
            return 0;
        if (lx_buf_adds(pass->out, MASKED, err) < 0)
            return -1;
        stream->after_word = false;
        stream->in_token = true;
        pass->given = pass->pos += len;
    }
    int rc = give(pass, pass->len, err);
    pass->given = pass->len;
    return rc;
}

void lx_token_stream_init(struct lx_token_stream *stream, const struct lx_tokens *tokens)
{
    *stream = (struct lx_token_stream){.tokens = tokens};
    lx_buf_init(&stream->held, FEED_MAX + LX_TOKEN_PREFIX_MAX + LX_TOKEN_RUN_MAX);
}

void lx_token_stream_done(struct lx_token_stream *stream)
{
    lx_buf_done(&stream->held);
}

static int feed_some(struct lx_token_stream *stream, const char *data, size_t len, bool last,
                     struct lx_buf *out, struct lx_err *err)
{
    struct pass pass = {.stream = stream, .last = last, .out = out};
    bool joined = stream->held.len > 0;
    if (joined && len > 0 && lx_buf_add(&stream->held, data, len, err) < 0)
        return -1;
    pass.data = (const uint8_t *)(joined ? stream->held.data : data);
    pass.len = joined ? stream->held.len : len;
    if (run(&pass, err) < 0)
        return -1;
    if (joined)
        lx_buf_consume(&stream->held, pass.given);
    else if (pass.given < pass.len)
        return lx_buf_add(&stream->held, pass.data + pass.given, pass.len - pass.given, err);
    return 0;
}

int lx_token_stream_feed(struct lx_token_stream *stream, const char *data, size_t len,
                         struct lx_buf *out, struct lx_err *err)
{
    while (len > 0) {
        size_t n = len < FEED_MAX ? len : FEED_MAX;
        if (feed_some(stream, data, n, false, out, err) < 0)
            return -1;
        data += n;
        len -= n;
    }
    return 0;
}

int lx_token_stream_flush(struct lx_token_stream *stream, struct lx_buf *out, struct lx_err *err)
{
    int rc = stream->held.len > 0 ? feed_some(stream, "", 0, true, out, err) : 0;
    stream->in_token = stream->after_word = false;
    return rc;
}
