"""The Kubernetes API as the tests' administrator, and a recording proxy in front of it."""
import http.client
import json
import ssl
import subprocess
from http.server import BaseHTTPRequestHandler

from frontend import Server

HOST = "10.91.0.1"  # tests/cluster/kubernetes
TOKEN = "admin-token"


class ApiError(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


def connect():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(HOST, 443, context=context, timeout=60)


def call(method, path, body=None, content_type="application/json"):
    return json.loads(text(method, path, body, content_type))


def text(method, path, body=None, content_type="application/json"):
    """What the server answered, as it is."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection = connect()
    try:
        connection.request(method, path, body, {
            "Authorization": "Bearer " + TOKEN, "Content-Type": content_type,
            "Accept": "application/json, */*"})
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
    finally:
        connection.close()
    if response.status >= 300:
        raise ApiError(response.status, answer)
    return answer


COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}


class Proxy:
    """Forwards to the API server, byte for byte, and keeps what was asked: `requests` holds
    (method, path, body, status). Its own certificate, in `directory`, is the authority for it."""

    def __init__(self, directory):
        self.requests = []
        proxy = self

        class Handler(ProxyHandler):
            proxy_ = proxy

        self.authority, key = f"{directory}/proxy.crt", f"{directory}/proxy.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=proxy", "-addext", f"subjectAltName=IP:{HOST}",
             "-keyout", key, "-out", self.authority], capture_output=True, check=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, key)
        self.server = Server((HOST, 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.url = f"https://{HOST}:{self.server.server_port}"
        self.server.start()

    def close(self):
        self.server.stop()


class ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = connect()
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in ("host", "connection")}
        try:
            upstream.request(self.command, self.path, body or None, headers)
            response = upstream.getresponse()
            self.proxy_.requests.append((self.command, self.path, body, response.status))
            self.relay(response)
        except OSError:
            self.close_connection = True  # one side has gone away: a watch or a log that was ended
        finally:
            upstream.close()

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = forward

    def relay(self, response):
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "date"):
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            part = response.read1(65536)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
            if not part:
                break
