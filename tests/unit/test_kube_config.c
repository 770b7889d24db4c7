/* Kubeconfigs and service accounts: what is taken, and what each refusal says. */
#include "lunexec/kube.h"

#include "lunexec/file.h"
#include "lunexec/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PEM "LS0tLS1CRUdJTiBYLS0tLS0K" /* -----BEGIN X----- */

static char *folder;

static char *put(const char *name, const char *text)
{
    char *path = lx_strf("%s/%s", folder, name);
    assert_int_equal(lx_file_write(path, text, strlen(text), 0600, NULL), 0);
    return path;
}

static int setup(void **state)
{
    char template[] = "/tmp/lunexec-kube-XXXXXX";
    (void)state;
    if (!mkdtemp(template))
        return -1;
    folder = lx_strdup(template);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    int rc = lx_remove_tree(folder, NULL);
    free(folder);
    return rc;
}

static const char head[] = "apiVersion: v1\n"
                           "kind: Config\n"
                           "current-context: c2\n"
                           "contexts:\n"
                           "- {name: c1, context: {cluster: other, user: other}}\n"
                           "- {name: c2, context: {cluster: k, user: u, namespace: jobs}}\n";

static void test_files(void **state)
{
    (void)state;
    lx_auto(str) char *text = lx_strf(
        "%sclusters:\n- name: k\n  cluster: {server: 'https://h:6443/', certificate-authority: "
        "pki/ca.crt}\nusers:\n- name: u\n  user: {client-certificate: /etc/u.crt, client-key: "
        "./u.key, token: t}\n",
        head);
    lx_auto(str) char *path = put("files", text);
    lx_auto(str) char *ca = lx_strf("%s/pki/ca.crt", folder);
    lx_auto(str) char *key = lx_strf("%s/u.key", folder);
    lx_auto(str) char *source = lx_strf("kubeconfig %s", path);
    struct lx_kube_config config;
    assert_int_equal(lx_kube_config_file(path, &config, NULL), 0);
    assert_string_equal(config.server, "https://h:6443");
    assert_string_equal(config.namespace, "jobs");
    assert_string_equal(config.ca_file, ca);
    assert_string_equal(config.cert_file, "/etc/u.crt");
    assert_string_equal(config.key_file, key);
    assert_string_equal(config.token, "t");
    assert_null(config.token_file);
    assert_string_equal(config.source, source);
    lx_kube_config_done(&config);
    assert_null(config.server);
}

static void test_data(void **state)
{
    (void)state;
    lx_auto(str) char *text =
        lx_strf("%sclusters:\n- name: k\n  cluster:\n    server: https://h\n    "
                "certificate-authority: unused\n    certificate-authority-data: " PEM "\n"
                "users:\n- name: u\n  user: {client-certificate-data: " PEM
                ", client-key-data: " PEM ", token: old, tokenFile: token}\n",
                head);
    lx_auto(str) char *path = put("data", text);
    lx_auto(str) char *token = lx_strf("%s/token", folder);
    struct lx_kube_config config;
    assert_int_equal(lx_kube_config_file(path, &config, NULL), 0);
    assert_string_equal(config.ca_data, "-----BEGIN X-----\n");
    assert_null(config.ca_file);
    assert_string_equal(config.cert_data, "-----BEGIN X-----\n");
    assert_string_equal(config.key_data, "-----BEGIN X-----\n");
    assert_string_equal(config.token_file, token); /* the file wins: it rotates */
    assert_null(config.token);
    lx_kube_config_done(&config);
}

#define CLUSTER "clusters: [{name: k, cluster: {server: 'https://h'}}]\n"

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* after `head`, or alone when it begins with '!' */
        const char *says;
    } table[] = {
        {"!", "line 1"},
        {"!hello", "line 1: this is no kubeconfig"},
        {"!\x7f"
         "ELF\x02\x01",
         "garbage"},
        {"!a: [1, 2\nb: 3\n", "line 2"},
        {"!\tkey: value\n", "line 1"},
        {"!{}", "current-context is not set"},
        {"!current-context: x\n", "no entry of contexts is named \"x\""},
        {"!current-context: x\ncontexts: 7\n", "no entry of contexts is named \"x\""},
        {"!current-context: x\ncontexts: [{name: x}]\n", "contexts \"x\" has no context"},
        {"", "no entry of clusters is named \"k\""},
        {"clusters: [{name: k, cluster: {}}]\n", "cluster \"k\": server is missing"},
        {"clusters: [{name: k, cluster: {server: 7}}]\n", "server is not a string"},
        {"clusters: [{name: k, cluster: {server: 'ftp://h'}}]\n", "cluster \"k\": server: "},
        {"clusters: [{name: k, cluster: {server: 'https://h', insecure-skip-tls-verify: true}}]\n",
         "cluster \"k\": insecure-skip-tls-verify is refused"},
        {"clusters: [{name: k, cluster: {server: 'https://h', proxy-url: 'http://p'}}]\n",
         "proxy-url is not supported"},
        {"clusters: [{name: k, cluster: {server: 'https://h', certificate-authority-data: "
         "'%%'}}]\n",
         "certificate-authority-data is not base64 of a PEM text"},
        {CLUSTER, "no entry of users is named \"u\""},
        {CLUSTER "users: [{name: u, user: {exec: {command: aws}}}]\n",
         "user \"u\": exec is not supported"},
        {CLUSTER "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n",
         "user \"u\": auth-provider is not supported"},
        {CLUSTER "users: [{name: u, user: {username: a, password: b}}]\n",
         "username is not supported"},
        {CLUSTER "users: [{name: u, user: {client-certificate: a}}]\n", "client-key is missing"},
        {CLUSTER "users: [{name: u, user: {token: \"a\\r\\nX: y\"}}]\n",
         "token contains a control character"},
        {CLUSTER "users: [{name: u, user: {client-key-data: AAAA}}]\n",
         "client-key-data is not base64 of a PEM text"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        bool alone = table[i].text[0] == '!';
        lx_auto(str) char *text =
            alone ? lx_strdup(table[i].text + 1) : lx_strf("%s%s", head, table[i].text);
        lx_auto(str) char *path = put("refused", text);
        lx_auto(str) char *begin = lx_strf("kubeconfig %s: ", path);
        struct lx_kube_config config;
        struct lx_err err = {0};
        assert_int_equal(lx_kube_config_file(path, &config, &err), -1);
        assert_int_equal(err.code, LX_E_INVALID);
        assert_null(strchr(err.text, '\n'));
        if (strncmp(err.text, begin, strlen(begin)) != 0 ||
            (strcmp(table[i].says, "garbage") != 0 && !strstr(err.text, table[i].says)))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void test_no_file(void **state)
{
    (void)state;
    lx_auto(str) char *path = lx_strf("%s/absent", folder);
    struct lx_kube_config config;
    struct lx_err err = {0};
    assert_int_equal(lx_kube_config_file(path, &config, &err), -1);
    assert_int_equal(err.code, LX_E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
}

static void test_pod(void **state)
{
    (void)state;
    struct lx_kube_config config;
    struct lx_err err = {0};
    assert_int_equal(lx_kube_config_pod("10.0.0.1", "443", folder, &config, &err), -1);
    assert_int_equal(err.code, LX_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/token"));
    free(put("token", "secret\n"));
    assert_int_equal(lx_kube_config_pod("10.0.0.1", "443", folder, &config, &err), -1);
    assert_non_null(strstr(err.text, "/ca.crt"));
    free(put("ca.crt", "pem"));

    assert_int_equal(lx_kube_config_pod("10.0.0.1", "443", folder, &config, &err), 0);
    assert_string_equal(config.server, "https://10.0.0.1:443");
    assert_null(config.namespace);
    assert_null(config.token);
    assert_non_null(config.token_file);
    assert_non_null(config.ca_file);
    lx_kube_config_done(&config);

    free(put("namespace", "builds\n"));
    assert_int_equal(lx_kube_config_pod("fd00::1", "6443", folder, &config, &err), 0);
    assert_string_equal(config.server, "https://[fd00::1]:6443");
    assert_string_equal(config.namespace, "builds");
    lx_kube_config_done(&config);

    assert_int_equal(lx_kube_config_pod(NULL, NULL, folder, &config, &err), -1);
    assert_int_equal(err.code, LX_E_NOT_FOUND);
    assert_int_equal(lx_kube_config_pod("h", "70000", folder, &config, &err), -1);
    assert_int_equal(err.code, LX_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),   cmocka_unit_test(test_data), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_file), cmocka_unit_test(test_pod),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
