#include "lunexec/kube.h"

#include "lunexec/file.h"
#include "lunexec/text.h"
#include "lunexec/url.h"
#include "lunexec/yaml.h"

#include <string.h>

#define FILE_MAX_LEN ((size_t)4 << 20)
#define DATA_MAX_LEN ((size_t)1 << 20)

/* Settings that we cannot honour; leaving them out silently would be worse than refusing. */
static const char *const cluster_refused[] = {"proxy-url", "tls-server-name", NULL};
static const char *const user_refused[] = {"exec", "auth-provider", "username",  "password",
                                           "as",   "as-uid",        "as-groups", "as-user-extra",
                                           NULL};

static int load(const char *path, json_t **ret_root, struct lx_err *err)
{
    struct lx_buf text __attribute__((cleanup(lx_auto_buf))) = LX_BUF_SECRET(FILE_MAX_LEN);
    lx_auto(json) json_t *root = NULL;
    if (lx_file_read(path, &text, err))
        return lx_wrap(err, "kubeconfig");
    if (lx_yaml_parse(lx_buf_str(&text), text.len, &root, err))
        return lx_wrap(err, "kubeconfig %s", path);
    if (!json_is_object(root))
        return lx_fail(err, LX_E_INVALID,
                       "kubeconfig %s: line 1: this is no kubeconfig: not a mapping", path);
    *ret_root = lx_take(root);
    return 0;
}

/* The entry called `name` of the list `list`, and in it the mapping `key`; borrowed. */
static json_t *find_named(const json_t *root, const char *list, const char *name, const char *key,
                          struct lx_err *err)
{
    size_t i;
    json_t *item, *found = NULL;
    json_array_foreach (lx_json_arr(root, list), i, item) {
        if (lx_streq(lx_json_str(item, "name", NULL), name)) {
            found = item;
            break;
        }
    }
    if (!found) {
        (void)lx_fail(err, LX_E_INVALID, "no entry of %s is named \"%s\"", list, name);
        return NULL;
    }
    json_t *value = lx_json_obj(found, key);
    if (!value)
        (void)lx_fail(err, LX_E_INVALID, "%s \"%s\" has no %s", list, name, key);
    return value;
}

/* A string field into *ret_text (NULL when absent or empty); refuses other types and control
 * characters, which have no place in a header or a path. */
static int take_str(const json_t *object, const char *key, char **ret_text, struct lx_err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return lx_fail(err, LX_E_INVALID, "%s is not a string", key);
    const char *text = json_string_value(value);
    if (strlen(text) != json_string_length(value))
        return lx_fail(err, LX_E_INVALID, "%s contains a NUL", key);
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return lx_fail(err, LX_E_INVALID, "%s contains a control character", key);
    }
    if (*text)
        *ret_text = lx_strdup(text);
    return 0;
}

static int take_path(const json_t *object, const char *key, const char *folder, char **ret_path,
                     struct lx_err *err)
{
    lx_auto(str) char *path = NULL;
    if (take_str(object, key, &path, err))
        return -1;
    if (path)
        *ret_path = path[0] == '/' ? lx_take(path) : lx_path_join(folder, path);
    return 0;
}

static int take_data(const json_t *object, const char *key, char **ret_data, struct lx_err *err)
{
    struct lx_buf data __attribute__((cleanup(lx_auto_buf))) = LX_BUF_SECRET(DATA_MAX_LEN);
    lx_auto(secret) char *text = NULL;
    if (take_str(object, key, &text, err))
        return -1;
    if (!text)
        return 0;
    if (lx_base64_decode(&data, text, strlen(text), NULL) ||
        strlen(lx_buf_str(&data)) != data.len || !strstr(lx_buf_str(&data), "-----BEGIN "))
        return lx_fail(err, LX_E_INVALID, "%s is not base64 of a PEM text", key);
    *ret_data = lx_buf_take(&data);
    return 0;
}

/* <key>-data, else the file <key>; the data wins, as in kubectl. */
static int take_pem(const json_t *object, const char *key, const char *folder, char **ret_data,
                    char **ret_file, struct lx_err *err)
{
    lx_auto(str) char *data_key = lx_strf("%s-data", key);
    if (take_data(object, data_key, ret_data, err))
        return -1;
    return *ret_data ? 0 : take_path(object, key, folder, ret_file, err);
}

static int refuse(const json_t *object, const char *const *keys, struct lx_err *err)
{
    for (; *keys; keys++) {
        const json_t *value = json_object_get(object, *keys);
        if (value && !json_is_null(value))
            return lx_fail(err, LX_E_INVALID,
                           "%s is not supported; use a token, a tokenFile or a client certificate",
                           *keys);
    }
    return 0;
}

static int read_cluster(const json_t *cluster, const char *folder, struct lx_kube_config *config,
                        struct lx_err *err)
{
    struct lx_url url;
    for (size_t i = 0; cluster_refused[i]; i++) {
        if (json_object_get(cluster, cluster_refused[i]))
            return lx_fail(err, LX_E_INVALID, "%s is not supported", cluster_refused[i]);
    }
    if (lx_json_bool(cluster, "insecure-skip-tls-verify", false))
        return lx_fail(err, LX_E_INVALID,
                       "insecure-skip-tls-verify is refused: the server must be verified; give its "
                       "certificate-authority");
    if (take_str(cluster, "server", &config->server, err))
        return -1;
    if (!config->server)
        return lx_fail(err, LX_E_INVALID, "server is missing");
    for (size_t len = strlen(config->server); len && config->server[len - 1] == '/'; len--)
        config->server[len - 1] = '\0';
    if (lx_url_parse(config->server, &url, err))
        return lx_wrap(err, "server");
    lx_url_done(&url);
    return take_pem(cluster, "certificate-authority", folder, &config->ca_data, &config->ca_file,
                    err);
}

static int read_user(const json_t *user, const char *folder, struct lx_kube_config *config,
                     struct lx_err *err)
{
    if (refuse(user, user_refused, err) ||
        take_pem(user, "client-certificate", folder, &config->cert_data, &config->cert_file, err) ||
        take_pem(user, "client-key", folder, &config->key_data, &config->key_file, err) ||
        take_path(user, "tokenFile", folder, &config->token_file, err))
        return -1;
    if (!config->token_file && take_str(user, "token", &config->token, err))
        return -1;
    bool cert = config->cert_data || config->cert_file, key = config->key_data || config->key_file;
    if (cert != key)
        return lx_fail(err, LX_E_INVALID, "%s",
                       cert ? "client-key is missing" : "client-certificate is missing");
    return 0;
}

static int read_context(const json_t *root, const char *folder, struct lx_kube_config *config,
                        struct lx_err *err)
{
    const char *name = lx_json_str(root, "current-context", "");
    if (!*name)
        return lx_fail(err, LX_E_INVALID, "current-context is not set");
    json_t *context = find_named(root, "contexts", name, "context", err);
    if (!context)
        return -1;
    const char *cluster_name = lx_json_str(context, "cluster", "");
    const char *user_name = lx_json_str(context, "user", "");
    json_t *cluster = find_named(root, "clusters", cluster_name, "cluster", err);
    if (!cluster)
        return -1;
    if (read_cluster(cluster, folder, config, err))
        return lx_wrap(err, "cluster \"%s\"", cluster_name);
    if (take_str(context, "namespace", &config->namespace, err))
        return lx_wrap(err, "context \"%s\"", name);
    if (!*user_name)
        return 0;
    json_t *user = find_named(root, "users", user_name, "user", err);
    if (!user)
        return -1;
    if (read_user(user, folder, config, err))
        return lx_wrap(err, "user \"%s\"", user_name);
    return 0;
}

int lx_kube_config_file(const char *path, struct lx_kube_config *ret_config, struct lx_err *err)
{
    lx_auto(json) json_t *root = NULL;
    struct lx_kube_config config = {0};
    const char *slash = strrchr(path, '/');
    lx_auto(str) char *folder =
        slash ? lx_strndup(path, slash > path ? (size_t)(slash - path) : 1) : lx_strdup(".");
    if (load(path, &root, err))
        return -1;
    if (read_context(root, folder, &config, err)) {
        lx_kube_config_done(&config);
        return lx_wrap(err, "kubeconfig %s", path);
    }
    config.source = lx_strf("kubeconfig %s", path);
    *ret_config = config;
    return 0;
}
