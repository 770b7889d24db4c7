#include "lunexec/kube.h"

#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/parse.h"

#include <string.h>
#include <unistd.h>

#define NAMESPACE_MAX_LEN 256

/* The namespace that the kubelet wrote beside the token; optional. */
static char *read_namespace(const char *folder)
{
    struct lx_buf text __attribute__((cleanup(lx_auto_buf))) = LX_BUF_INIT(NAMESPACE_MAX_LEN);
    lx_auto(str) char *path = lx_strf("%s/namespace", folder);
    if (lx_file_read(path, &text, NULL))
        return NULL;
    size_t len = strcspn(lx_buf_str(&text), " \t\r\n");
    return len ? lx_strndup(lx_buf_str(&text), len) : NULL;
}

int lx_kube_config_pod(const char *host, const char *port, const char *folder,
                       struct lx_kube_config *ret_config, struct lx_err *err)
{
    int64_t number = 0;
    if (!host || !*host || !port || !*port)
        return lx_fail(err, LX_E_NOT_FOUND,
                       "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
                       "set");
    if (lx_parse_i64(port, &number) || number < 1 || number > 65535)
        return lx_fail(err, LX_E_INVALID, "KUBERNETES_SERVICE_PORT is no port: \"%s\"", port);
    lx_auto(str) char *token = lx_strf("%s/token", folder);
    lx_auto(str) char *ca = lx_strf("%s/ca.crt", folder);
    if (access(token, R_OK))
        return lx_fail(err, LX_E_NOT_FOUND, "service account: cannot read %s", token);
    if (access(ca, R_OK))
        return lx_fail(err, LX_E_NOT_FOUND, "service account: cannot read %s", ca);
    bool bracket = strchr(host, ':') && host[0] != '[';
    *ret_config = (struct lx_kube_config){
        .server =
            bracket ? lx_strf("https://[%s]:%s", host, port) : lx_strf("https://%s:%s", host, port),
        .namespace = read_namespace(folder),
        .ca_file = lx_take(ca),
        .token_file = lx_take(token),
        .source = lx_strdup("service account"),
    };
    return 0;
}

void lx_kube_config_done(struct lx_kube_config *config)
{
    if (!config)
        return;
    free(config->server);
    free(config->namespace);
    free(config->ca_file);
    free(config->ca_data);
    free(config->cert_file);
    free(config->cert_data);
    free(config->key_file);
    lx_secret_free(config->key_data);
    lx_secret_free(config->token);
    free(config->token_file);
    free(config->source);
    *config = (struct lx_kube_config){0};
}
