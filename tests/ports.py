"""Ports for servers that cannot say which one they got."""
import random
import socket

# Below those that the system gives to clients (net.ipv4.ip_local_port_range begins at 32768): one of
# those may be some connection's by the time the server binds it.
LOWEST, HIGHEST = 10000, 32000


def free_port():
    """A port of loopback that is free now."""
    while True:
        port = random.randint(LOWEST, HIGHEST)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
