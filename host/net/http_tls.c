/* Trust of a client: CA bundle and client certificate, from files or from memory. */
#include "net/http_priv.h"

#include "lunexec/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A rotated CA bundle must be seen; curl's own default would keep the old one for 24 h. */
#define CA_CACHE_SECONDS 60

static int check_file(const char *path, const char *what, struct lx_err *err)
{
    if (path && access(path, R_OK))
        return lx_fail_errno(err, errno, "%s %s", what, path);
    return 0;
}

int lx_http_conf_copy(const struct lx_http_opts *opts, struct lx_http_conf *ret_conf,
                      struct lx_err *err)
{
    if (check_file(opts->ca_file, "CA bundle", err) ||
        check_file(opts->cert_file, "client certificate", err) ||
        check_file(opts->key_file, "client key", err))
        return -1;
    *ret_conf = (struct lx_http_conf){
        .ca_file = lx_strdup(opts->ca_file),
        .ca_data = lx_strdup(opts->ca_data),
        .cert_file = lx_strdup(opts->cert_file),
        .cert_data = lx_strdup(opts->cert_data),
        .key_file = lx_strdup(opts->key_file),
        .key_data = lx_strdup(opts->key_data),
        .user_agent = lx_strdup(opts->user_agent),
        .connect_timeout_ms = opts->connect_timeout_ms ? opts->connect_timeout_ms : 10000,
        .ca_cache_s = opts->ca_cache_s ? opts->ca_cache_s : CA_CACHE_SECONDS,
        .http1_only = opts->http1_only,
    };
    return 0;
}

void lx_http_conf_done(struct lx_http_conf *conf)
{
    free(conf->ca_file);
    free(conf->ca_data);
    free(conf->cert_file);
    free(conf->cert_data);
    free(conf->key_file);
    lx_secret_free(conf->key_data);
    free(conf->user_agent);
}

/* A file option, or its in-memory twin when data is given; NULL for both leaves curl's default. */
static CURLcode file_or_blob(CURL *easy, CURLoption file_option, const char *file,
                             CURLoption blob_option, char *data)
{
    if (data) {
        struct curl_blob blob = {data, strlen(data), CURL_BLOB_NOCOPY};
        return curl_easy_setopt(easy, blob_option, &blob);
    }
    return file ? curl_easy_setopt(easy, file_option, file) : CURLE_OK;
}

CURLcode lx_http_tls_setup(const struct lx_http_conf *conf, CURL *easy)
{
    /* No folder of certificates besides the bundle: a custom CA stands alone, and curl keeps a
     * parsed bundle only without one. */
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)conf->ca_cache_s);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (rc == CURLE_OK)
        rc = file_or_blob(easy, CURLOPT_CAINFO, conf->ca_file, CURLOPT_CAINFO_BLOB, conf->ca_data);
    if (rc == CURLE_OK)
        rc = file_or_blob(easy, CURLOPT_SSLCERT, conf->cert_file, CURLOPT_SSLCERT_BLOB,
                          conf->cert_data);
    if (rc == CURLE_OK)
        rc =
            file_or_blob(easy, CURLOPT_SSLKEY, conf->key_file, CURLOPT_SSLKEY_BLOB, conf->key_data);
    return rc;
}
