#include "net/httpd_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t parse_address(const char *text, unsigned port, union address *ret)
{
    *ret = (union address){0};
    if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        return sizeof(ret->v4);
    }
    if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        return sizeof(ret->v6);
    }
    return 0;
}

static int open_socket(const union address *address, socklen_t len)
{
    int on = 1, off = 0;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->any.sa_family == AF_INET6) /* "::" serves IPv4 as well */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, &address->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

int lx_httpd_listen(const char *address, unsigned port, int *ret_fd, unsigned *ret_port,
                    struct lx_err *err)
{
    union address bound;
    if (port > 65535)
        return lx_fail(err, LX_E_INVALID, "no such port: %u", port);
    socklen_t len = parse_address(address, port, &bound);
    if (len == 0)
        return lx_fail(err, LX_E_INVALID, "not an IP address to listen on: %s", address);
    int fd = open_socket(&bound, len);
    if (fd < 0 || getsockname(fd, &bound.any, &len)) {
        int saved = errno;
        if (fd >= 0)
            (void)close(fd);
        return lx_fail_errno(err, saved, "cannot listen on %s port %u", address, port);
    }
    *ret_fd = fd;
    *ret_port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    return 0;
}
