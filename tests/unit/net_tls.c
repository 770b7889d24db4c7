#include "net_tls.h"

#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/parse.h"
#include "lunexec/rand.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tool {
    bool done;
    int64_t status;
};

static void ignore_output(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static void tool_done(void *arg, int64_t status, int signal)
{
    struct tool *tool = arg;
    tool->done = true;
    tool->status = signal ? -1 : status;
}

static bool run_in(struct lx_loop *loop, const char *folder, const char *command)
{
    struct tool tool = {0};
    const char *const argv[] = {"sh", "-c", command, NULL};
    struct lx_child *child;
    struct lx_child_opts opts = {.argv = argv,
                                 .cwd = folder,
                                 .on_out = ignore_output,
                                 .on_err = ignore_output,
                                 .on_exit = tool_done,
                                 .arg = &tool};
    lx_assert(lx_child_spawn(loop, &opts, &child, NULL) == 0);
    lx_assert(lx_loop_run_until(loop, &tool.done, 30000, NULL) == 0);
    lx_child_free(child);
    return tool.status == 0;
}

#define KEY "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 "
#define SIGNED KEY "-CA ca.pem -CAkey ca.key "

char *tls_folder_new(struct lx_loop *loop)
{
    char *folder = lx_strdup("/tmp/lx-tls-XXXXXX");
    lx_assert(mkdtemp(folder));
    if (run_in(loop, folder,
               "set -e; " KEY "-keyout ca.key -out ca.pem -subj /CN=ca; " KEY
               "-keyout other.key -out other.pem -subj /CN=ca; " SIGNED
               "-keyout server.key -out server.pem -subj /CN=server "
               "-addext subjectAltName=IP:127.0.0.1; " SIGNED
               "-keyout wrong.key -out wrong.pem -subj /CN=wrong "
               "-addext subjectAltName=DNS:elsewhere.test; " SIGNED
               "-keyout client.key -out client.pem -subj /CN=client"))
        return folder;
    tls_folder_free(folder);
    return NULL;
}

void tls_folder_free(char *folder)
{
    if (folder)
        lx_assert(lx_remove_tree(folder, NULL) == 0);
    free(folder);
}

/* s_server says "ACCEPT 127.0.0.1:PORT" once it listens. */
static void on_server_output(void *arg, const char *data, size_t len)
{
    struct tls_server *server = arg;
    static const char word[] = "ACCEPT 127.0.0.1:";
    lx_auto(str) char *text = lx_strndup(data, len);
    char *at = strstr(text, word);
    uint64_t port;
    if (!at || server->ready)
        return;
    at += strlen(word);
    at[strspn(at, "0123456789")] = '\0';
    lx_assert(lx_parse_u64(at, &port) == 0);
    server->port = (unsigned)port;
    server->ready = true;
}

static void server_gone(void *arg, int64_t status, int signal)
{
    struct tls_server *server = arg;
    (void)status;
    (void)signal;
    server->gone = true;
}

static bool spawn(struct lx_loop *loop, const char *folder, const char *const *argv,
                  struct tls_server *server)
{
    struct lx_child_opts opts = {.argv = argv,
                                 .cwd = folder,
                                 .on_out = on_server_output,
                                 .on_err = ignore_output,
                                 .on_exit = server_gone,
                                 .arg = server};
    return lx_child_spawn(loop, &opts, &server->child, NULL) == 0;
}

void tls_server_start(struct lx_loop *loop, const char *folder, const char *cert, bool verify,
                      struct tls_server *server)
{
    *server = (struct tls_server){0};
    lx_auto(str) char *pem = lx_strf("%s.pem", cert);
    lx_auto(str) char *key = lx_strf("%s.key", cert);
    const char *const argv[] = {"openssl", "s_server",
                                "-accept", "127.0.0.1:0",
                                "-www",    "-cert",
                                pem,       "-key",
                                key,       verify ? "-Verify" : NULL,
                                "1",       "-CAfile",
                                "ca.pem",  "-verify_return_error",
                                NULL};
    lx_assert(spawn(loop, folder, argv, server));
    lx_assert(lx_loop_run_until(loop, &server->ready, 20000, NULL) == 0);
    server->url = lx_strf("https://127.0.0.1:%u", server->port);
}

/* Below those that the system gives to clients: one of those may be some connection's by the time
 * the server binds it. */
#define PORT_LOWEST 10000
#define PORT_HIGHEST 32000

/* A port that is free now; nghttpd does not tell which one it took. */
static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (;;) {
        uint16_t random = 0;
        lx_assert(lx_rand_bytes(&random, sizeof(random), NULL) == 0);
        unsigned port = PORT_LOWEST + random % (PORT_HIGHEST - PORT_LOWEST);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address.sin_port = htons((uint16_t)port);
        bool free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
        (void)close(fd);
        if (free)
            return port;
    }
}

bool h2_server_start(struct lx_loop *loop, const char *folder, struct tls_server *server)
{
    *server = (struct tls_server){.port = free_port()};
    lx_auto(str) char *port = lx_strf("%u", server->port);
    const char *const argv[] = {"nghttpd",       "-a", "127.0.0.1",  "-d",         ".",
                                "--echo-upload", port, "server.key", "server.pem", NULL};
    server->url = lx_strf("https://127.0.0.1:%u", server->port);
    if (access("/usr/sbin/nghttpd", X_OK) == 0 && spawn(loop, folder, argv, server))
        return true;
    tls_server_stop(server);
    return false;
}

void tls_server_stop(struct tls_server *server)
{
    lx_child_free(lx_take(server->child));
    free(lx_take(server->url));
}
