"""A TCP proxy that does to connections what networks do: cuts, stalls, delays, refuses.

It forwards bytes without looking at them, so that TLS passes through. It is harmless until told
otherwise; what it is told holds for connections that are open and for those that come.
"""
import random
import socket
import struct
import threading
import time

CHUNK = 65536


class Proxy:
    def __init__(self, host, target, seed=1):
        self.host, self.target = host, target
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.links = set()
        self.cuts = self.connections = 0
        self.cut_after = None  # (from, to): seconds that a connection lives
        self.delay = 0.0       # seconds that every byte is late
        self.stalled = threading.Event()  # nothing is forwarded, connections stay
        self.refusing = False  # connections are reset as they come
        self.closed = False
        self.listener = socket.create_server((host, 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def cut_every(self, shortest, longest):
        """From now on each connection is reset after a random time between these seconds."""
        with self.lock:
            self.cut_after = (shortest, longest)
            for link in self.links:
                self.plan(link)

    def calm(self):
        """No faults any more."""
        with self.lock:
            self.cut_after, self.delay, self.refusing = None, 0.0, False
            self.stalled.clear()
            for link in self.links:
                link.die_at = None

    def refuse(self):
        """Resets what is open and what comes, until calm()."""
        self.refusing = True
        self.cut_all()

    def cut_all(self):
        with self.lock:
            links = list(self.links)
        for link in links:
            link.cut()

    def plan(self, link):
        link.die_at = time.monotonic() + self.random.uniform(*self.cut_after)

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            if self.refusing:
                reset(client)
                continue
            try:
                server = socket.create_connection(self.target, timeout=10)
            except OSError:
                reset(client)
                continue
            link = Link(self, client, server)
            with self.lock:
                self.links.add(link)
                if self.cut_after:
                    self.plan(link)
            link.start()

    def close(self):
        self.closed = True
        self.listener.close()
        self.calm()
        self.cut_all()


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.die_at = None
        self.dead = False
        for end in (client, server):
            end.settimeout(0.05)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self):
        for source, sink in ((self.client, self.server), (self.server, self.client)):
            threading.Thread(target=self.pump, args=[source, sink], daemon=True).start()

    def due(self):
        return self.die_at is not None and time.monotonic() >= self.die_at

    def pump(self, source, sink):
        try:
            while not self.dead:
                if self.due():
                    self.cut()
                    return
                if self.proxy.stalled.is_set():
                    time.sleep(0.02)
                    continue
                try:
                    data = source.recv(CHUNK)
                except TimeoutError:
                    continue
                if self.proxy.delay:
                    time.sleep(self.proxy.delay)
                self.forward(sink, data)
                if not data:
                    return
        except OSError:
            self.cut()

    def forward(self, sink, data):
        if not data:
            sink.shutdown(socket.SHUT_WR)
            return
        view = memoryview(data)
        while view and not self.dead:
            if self.due():
                # Within what is being sent, so that lines and records are cut too.
                sink.send(view[:self.proxy.random.randrange(len(view)) + 1])
                self.cut()
                return
            try:
                view = view[sink.send(view):]
            except TimeoutError:
                continue

    def cut(self):
        with self.proxy.lock:
            if self.dead:
                return
            self.dead = True
            self.proxy.cuts += 1
            self.proxy.links.discard(self)
        reset(self.client)
        reset(self.server)


def reset(end):
    """Closes with RST, as a router that has forgotten the connection does."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    end.close()
