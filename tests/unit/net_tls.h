/* Certificates made with openssl, and TLS servers as child processes. */
#ifndef LX_TESTS_NET_TLS_H
#define LX_TESTS_NET_TLS_H

#include "lunexec/loop.h"

#include <stdbool.h>

/* A folder with ca.pem, ca.key, server.pem, server.key (for 127.0.0.1), client.pem, client.key, all
 * signed by ca; and other.pem, a CA that signed nothing. NULL when openssl is missing. */
char *tls_folder_new(struct lx_loop *loop);
void tls_folder_free(char *folder);

struct tls_server {
    struct lx_child *child;
    char *url; /* "https://127.0.0.1:PORT" */
    unsigned port;
    bool ready, gone;
};

/* openssl s_server: a page for every GET of "/". With `verify` it wants a client certificate. */
void tls_server_start(struct lx_loop *loop, const char *folder, const char *cert, bool verify,
                      struct tls_server *server);
/* nghttpd, which speaks HTTP/2 only, serving the folder; false when it is not installed. Echoes
 * what is posted. It listens some time after the return. */
bool h2_server_start(struct lx_loop *loop, const char *folder, struct tls_server *server);
void tls_server_stop(struct tls_server *server);

#endif
