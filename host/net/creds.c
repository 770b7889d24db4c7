#include "lunexec/creds.h"

#include "lunexec/buf.h"
#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/mem.h"

#include <string.h>
#include <sys/stat.h>

#define LOOK_EVERY_MS 10000
#define MAX_TOKEN ((size_t)64 * 1024)

/* What tells one version of the file from another. */
struct stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

struct lx_token {
    char *value;
    char *file; /* NULL for a fixed token */
    struct stamp stamp;
    uint64_t looked_at; /* monotonic ms */
    bool rejected;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The token in the text without white space around it; it goes into a header, so nothing but
 * visible ASCII is let through. */
static int clean(const char *text, size_t len, char **ret_value, struct lx_err *err)
{
    while (len > 0 && is_space(text[len - 1]))
        len--;
    while (len > 0 && is_space(*text)) {
        text++;
        len--;
    }
    if (len == 0)
        return lx_fail(err, LX_E_INVALID, "the token is empty");
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return lx_fail(err, LX_E_INVALID, "the token has a character that no header can carry");
    }
    *ret_value = lx_strndup(text, len);
    return 0;
}

static int read_stamp(const char *file, struct stamp *ret_stamp)
{
    struct stat st;
    if (stat(file, &st))
        return -1;
    *ret_stamp = (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
    return 0;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static int read_token(struct lx_token *token, struct lx_err *err)
{
    struct stamp stamp = {0};
    /* Taken before reading: a file replaced meanwhile is seen as changed the next time. */
    bool stamped = read_stamp(token->file, &stamp) == 0;
    struct lx_buf text = LX_BUF_SECRET(MAX_TOKEN);
    char *value = NULL;
    int rc = lx_file_read(token->file, &text, err);
    if (rc == 0 && clean(lx_buf_str(&text), text.len, &value, err))
        rc = lx_wrap(err, "%s", token->file);
    lx_buf_done(&text);
    if (rc)
        return -1;
    lx_secret_free(token->value);
    token->value = value;
    if (stamped)
        token->stamp = stamp;
    return 0;
}

int lx_token_new(const char *value, const char *file, struct lx_token **ret_token,
                 struct lx_err *err)
{
    if (!value == !file)
        return lx_fail(err, LX_E_INVALID, "give a token or a token file, and not both");
    struct lx_token *token = lx_alloc(sizeof(*token));
    token->file = lx_strdup(file);
    token->looked_at = lx_now_ms();
    int rc = file ? read_token(token, err) : clean(value, strlen(value), &token->value, err);
    if (rc) {
        lx_token_free(token);
        return -1;
    }
    *ret_token = token;
    return 0;
}

void lx_token_free(struct lx_token *token)
{
    if (!token)
        return;
    lx_secret_free(token->value);
    free(token->file);
    free(token);
}

const char *lx_token_get(struct lx_token *token)
{
    if (!token->file)
        return token->value;
    uint64_t now = lx_now_ms();
    if (!token->rejected && now - token->looked_at < LOOK_EVERY_MS)
        return token->value;
    token->looked_at = now;
    struct stamp stamp;
    if (token->rejected || read_stamp(token->file, &stamp) || !same_stamp(&stamp, &token->stamp))
        (void)read_token(token, NULL);
    token->rejected = false;
    return token->value;
}

void lx_token_rejected(struct lx_token *token)
{
    token->rejected = true;
}
