/*
 * A scripted HTTP peer on loopback: a thread with blocking sockets that a test tells what to do.
 */
#ifndef LX_TESTS_NET_PEER_H
#define LX_TESTS_NET_PEER_H

#include "net_fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct peer {
    void (*serve)(struct peer *peer,
                  int fd); /* one connection; the descriptor is closed after it */
    atomic_uint accepted;  /* connections so far */
    atomic_uint closed;    /* connections that were closed after their script */
    atomic_uint requests;  /* requests read so far */
    sem_t go;              /* tests post it to let the script go on */
    char last[65536];      /* the last request, head and body */
    int listen_fd;
    unsigned port;
    pthread_t thread;
};

void peer_start(struct peer *peer, void (*serve)(struct peer *peer, int fd));
void peer_stop(struct peer *peer);

/* "http://127.0.0.1:PORT<path>"; free(). */
char *peer_url(const struct peer *peer, const char *path);

/* Reads one request with its Content-Length body into peer->last; false at the end. */
bool peer_read(struct peer *peer, int fd);
void peer_send(int fd, const char *text);
/* Blocks until the client closes. */
void peer_wait_close(int fd);
void peer_wait_go(struct peer *peer);
/* Closes with a reset instead of an orderly end. */
void peer_reset(int fd);

/* Starts a peer, makes one plain GET, and stops the peer. */
void peer_get_once(struct fixture *fixture, void (*serve)(struct peer *, int),
                   struct answer *answer);
/* A scripted peer reads until its client closes: puts a new client in the old one's place. */
void peer_new_client(struct fixture *fixture, const struct lx_http_opts *opts);
void peer_drop_connections(struct fixture *fixture);

#endif
