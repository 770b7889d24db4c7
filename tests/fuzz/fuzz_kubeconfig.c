/*
 * A kubeconfig: what is accepted has a server, its certificate with its key, at most one token, and
 * nothing in it that could break out of a header or a path; what is refused is refused with the
 * file's name.
 */
#include "lunexec/kube.h"
#include "lunexec/text.h"
#include "lunexec/url.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    for (; text && *text; text++)
        lx_assert(!iscntrl((unsigned char)*text));
}

static void check(const struct lx_kube_config *config, const char *path)
{
    struct lx_url url;
    lx_assert(config->server && lx_url_parse(config->server, &url, NULL) == 0);
    lx_url_done(&url);
    lx_assert(!lx_ends_with(config->server, "/"));
    lx_assert(!config->ca_file || !config->ca_data);
    lx_assert(!config->token || !config->token_file);
    lx_assert(!config->cert_file || !config->cert_data);
    lx_assert(!config->key_file || !config->key_data);
    lx_assert((config->cert_file || config->cert_data) == (config->key_file || config->key_data));
    lx_assert(strstr(config->source, path));
    const char *const texts[] = {config->server,    config->namespace, config->ca_file,
                                 config->cert_file, config->key_file,  config->token,
                                 config->token_file};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lx_kube_config config = {0};
    struct lx_err err = {0};
    int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
    lx_assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    lx_auto(str) char *path = lx_strf("/proc/self/fd/%d", fd);
    if (lx_kube_config_file(path, &config, &err) == 0) {
        check(&config, path);
        lx_kube_config_done(&config);
    } else {
        lx_assert(err.code == LX_E_INVALID || err.code == LX_E_LIMIT);
        lx_assert(strstr(err.text, path) && !strchr(err.text, '\n'));
    }
    lx_assert(close(fd) == 0);
    return 0;
}
