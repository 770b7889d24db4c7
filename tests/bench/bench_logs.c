/*
 * Throughput of masking, and of the whole sink, beside plain copying: megabytes a CPU-second over a
 * log of ordinary lines with 50 secrets, some of which occur in it.
 */
#include "lunexec/mask.h"
#include "lunexec/mem.h"
#include "lunexec/rand.h"
#include "lunexec/sink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECRETS 50
#define LOG_SIZE ((size_t)64 * 1024 * 1024)
#define CHUNK ((size_t)16 * 1024)

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void random_word(struct lx_rand *rand, char *out, size_t len)
{
    static const char alphabet[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[lx_rand_below(rand, sizeof(alphabet) - 1)];
    out[len] = '\0';
}

/* Lines as build tools print them; one in a thousand has a secret in it. */
static char *make_log(struct lx_rand *rand, char secrets[][64])
{
    static const char *const words[] = {"compiling",
                                        "src/main/java/com/example/Service.java",
                                        "[INFO]",
                                        "downloaded",
                                        "https://registry.example.com/pkg",
                                        "warning:",
                                        "unused variable",
                                        "in 12.5s",
                                        "sha256:"};
    char *text = lx_alloc(LOG_SIZE + 256);
    size_t len = 0;
    for (size_t line = 0; len < LOG_SIZE; line++) {
        char noise[48];
        random_word(rand, noise, 40);
        const char *word = words[lx_rand_below(rand, sizeof(words) / sizeof(*words))];
        const char *other = words[lx_rand_below(rand, sizeof(words) / sizeof(*words))];
        const char *last = line % 1000 == 0 ? secrets[lx_rand_below(rand, SECRETS)] : noise;
        int n = snprintf(text + len, 256, "2024-06-03T10:20:30Z %zu %s %s %s\n", line, word, other,
                         last);
        len += (size_t)n;
    }
    return text;
}

static void show(const char *what, double seconds)
{
    printf("%-28s %8.0f MB a CPU-second\n", what, (double)LOG_SIZE / 1e6 / seconds);
}

static void bench_copy(const char *text)
{
    struct lx_buf out = LX_BUF_INIT(CHUNK);
    double start = cpu_seconds();
    for (size_t at = 0; at < LOG_SIZE; at += CHUNK) {
        lx_buf_reset(&out);
        (void)lx_buf_add(&out, text + at, CHUNK, NULL);
    }
    show("copy", cpu_seconds() - start);
    lx_buf_done(&out);
}

static void bench_mask(const struct lx_mask *mask, const char *text, const char *what)
{
    struct lx_buf out = LX_BUF_INIT(CHUNK * 8);
    struct lx_mask_stream *stream = lx_mask_stream_new(mask);
    double start = cpu_seconds();
    for (size_t at = 0; at < LOG_SIZE; at += CHUNK) {
        lx_buf_reset(&out);
        (void)lx_mask_feed(stream, text + at, CHUNK, &out, NULL);
    }
    show(what, cpu_seconds() - start);
    lx_mask_stream_free(stream);
    lx_buf_done(&out);
}

static void bench_sink(const struct lx_mask *mask, const char *text, const char *what)
{
    struct lx_sink *sink = NULL;
    struct lx_sink_opts opts = {.mask = mask};
    struct lx_err err;
    if (lx_sink_new(&opts, &sink, &err) < 0)
        return;
    double start = cpu_seconds();
    for (size_t at = 0; at < LOG_SIZE; at += CHUNK) {
        if (lx_sink_write(sink, text + at, CHUNK, &err) < 0) {
            printf("%s\n", err.text);
            break;
        }
    }
    show(what, cpu_seconds() - start);
    lx_sink_free(sink);
}

int main(void)
{
    char values[SECRETS][64];
    struct lx_secret secrets[SECRETS];
    struct lx_rand rand;
    lx_rand_init(&rand, 7);
    for (size_t i = 0; i < SECRETS; i++) {
        random_word(&rand, values[i], 20 + (size_t)lx_rand_below(&rand, 40));
        secrets[i] = (struct lx_secret){values[i], "***"};
    }
    char *text = make_log(&rand, values);
    struct lx_mask *mask = NULL, *none = NULL;
    double start = cpu_seconds();
    struct lx_tokens *tokens = NULL;
    if (lx_tokens_new("default", &tokens, NULL) < 0 ||
        lx_mask_new(secrets, SECRETS, &mask, NULL, NULL) < 0 ||
        lx_mask_new(NULL, 0, &none, NULL, NULL) < 0)
        return 1;
    printf("compiling %d secrets: %.1f ms\n", SECRETS, (cpu_seconds() - start) * 1000);
    bench_copy(text);
    bench_mask(none, text, "mask, no secrets");
    bench_mask(mask, text, "mask, 50 secrets");
    bench_sink(none, text, "sink, no secrets");
    bench_sink(mask, text, "sink, 50 secrets");
    lx_mask_use_tokens(mask, tokens);
    bench_mask(mask, text, "mask, 50 secrets, tokens");
    bench_sink(mask, text, "sink, 50 secrets, tokens");
    lx_tokens_free(tokens);
    lx_mask_free(mask);
    lx_mask_free(none);
    free(text);
    return 0;
}
