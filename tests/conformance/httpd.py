"""What both stand-ins share: a threaded HTTP server that keeps every call it gets."""
import json
import socketserver
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


ESTABLISHED, FIN_WAIT1, LISTEN = "01", "04", "0A"  # in /proc/net/tcp
PATIENCE_S = 40  # for what has to come; how soon it does is no test's point, unless it says so


class Call:
    """One request as it arrived."""

    def __init__(self, method, path, headers, body):
        self.method, self.headers, self.body = method, headers, body
        self.path, _, self.query = path.partition("?")
        self.at = time.monotonic()
        self.status = None  # of the answer; None: there was none

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def name(self):
        return self.path.rsplit("/", 1)[1]

    def __repr__(self):
        return f"{self.method} {self.path}{'?' + self.query if self.query else ''} -> {self.status}"


class Drop(Exception):
    """Ends the connection without an answer."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):  # without asking for the address's name
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def handle_error(self, request, client_address):
        pass  # the executor may hang up whenever it likes


class Peer:
    """A server on a port of its own. A subclass answers in `answer(call)`: (status, body), where the
    body is bytes, text, or something that becomes JSON, or a function that writes a stream."""

    def __init__(self, tls=None):
        self.lock = threading.Condition()
        self.calls = []
        self.unread = {}  # port of a client: whether a request of its may yet have to be read
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                self.reading(True)
                super().setup()

            def finish(self):
                self.reading(False)
                super().finish()

            def reading(self, whether):
                with peer.lock:
                    peer.unread[self.client_address[1]] = whether

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if len(body) < length:  # a client that was killed within its request
                    self.close_connection = True
                    return
                call = Call(self.command, self.path, self.headers, body)
                with peer.lock:
                    peer.calls.append(call)
                self.reading(False)
                try:
                    status, body, *extra = peer.answer(call)
                except Drop:
                    self.close_connection = True
                    return
                call.status = status
                self.send_response(status)
                for header, value in (extra[0] if extra else {}).items():
                    self.send_header(header, value)
                if callable(body):
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    body(self.chunk)
                    self.reading(True)
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    if not isinstance(body, (bytes, str)):
                        body = json.dumps(body)
                    body = body.encode() if isinstance(body, str) else body
                    self.send_header("Content-Length", str(len(body)))
                    self.reading(True)  # before its client can send the next one
                    self.end_headers()
                    self.wfile.write(body)
                with peer.lock:
                    peer.lock.notify_all()

            def chunk(self, data):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()

            do_GET = do_POST = do_DELETE = do_HEAD = serve

            def log_message(self, *args):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:  # a folder with cert.pem and key.pem
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{tls}/cert.pem", f"{tls}/key.pem")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def answer(self, call):
        raise NotImplementedError

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def wait(self, condition, what, seconds=PATIENCE_S):
        """Waits until condition() holds; looked at after every answer."""
        end = time.monotonic() + seconds
        with self.lock:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"after {seconds} s still no {what}; calls: "
                                         + "; ".join(map(repr, self.calls[-8:])))
                self.lock.wait(min(left, 0.2))

    def hear_out(self):
        """Waits until all has been read that clients sent which have hung up, or are dead."""
        self.wait(self.heard_out, "end of what a killed process sent")

    def heard_out(self):
        ours, states = self.server.server_port, {}
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in list(table)[1:]:
                _, local, remote, state, *_ = line.split()
                local, remote = (int(end.split(":")[1], 16) for end in (local, remote))
                if remote == ours and state == FIN_WAIT1:
                    return False
                if local == ours and state != LISTEN:
                    states[remote] = state
        return all(self.unread.get(port, True) is False or states.get(port) == ESTABLISHED
                   for port in {*states, *self.unread})

    def of(self, name):
        """The calls whose path ends in this name, in order."""
        return [call for call in list(self.calls) if call.name == name]
