"""A small HTTP/1.1 server on asyncio that can do to an exchange what networks and servers do.

A subclass answers in `answer(call)`. Which faults an exchange suffers is the decision of a Chaos
(chaos.py); this file carries it out.
"""
import asyncio
import json
import socket
import struct
from urllib.parse import parse_qsl, unquote

BODY_MAX = 64 << 20


class Call:
    """One request as it arrived."""

    def __init__(self, method, target, headers, body):
        path, _, query = target.partition("?")
        self.method, self.headers, self.body = method, headers, body
        self.path = unquote(path)
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.told = False  # the answer was sent whole

    @property
    def json(self):
        return json.loads(self.body) if self.body else {}

    @property
    def token(self):
        return self.headers.get("authorization", "").partition(" ")[2]


class Answer:
    """`stream`, if there is one, is an async iterator of chunks; ending it early cuts it."""

    def __init__(self, status, body=b"", headers=None, stream=None):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        self.status, self.headers, self.stream = status, headers or {}, stream
        self.body = body.encode() if isinstance(body, str) else body


class Cut(Exception):
    """The connection is reset here."""


def reset(writer):
    """Closes with RST, as a router that has forgotten the connection does."""
    end = writer.get_extra_info("socket")
    if end is not None:
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()


class Peer:
    def __init__(self, chaos, name):
        self.chaos, self.name = chaos, name
        self.server = None
        self.port = 0
        self.writers = set()
        self.closing = False
        self.calls = 0
        self.running = asyncio.Event()  # cleared: it answers nothing, and takes no connection in
        self.running.set()

    async def open(self):
        # As many as the kernel lets wait: a connection too many would be tried again after a second.
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=4096,
                                                 limit=1 << 20)
        self.port = self.server.sockets[0].getsockname()[1]

    async def outage(self, seconds):
        """Connections are refused for so long, those that are open are reset."""
        self.server.close()
        for writer in list(self.writers):
            reset(writer)
        await asyncio.sleep(seconds)
        while not self.closing:
            try:
                await self.open()
                return
            except OSError:  # somebody has the port for a moment
                await asyncio.sleep(0.05)

    async def pause(self, seconds):
        """Everything stays open and nothing is answered, as by a server that swaps."""
        self.running.clear()
        await asyncio.sleep(seconds)
        self.running.set()

    def close(self):
        self.closing = True
        self.running.set()
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while not self.closing and await self.exchange(reader, writer):
                pass
        except (Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            reset(writer)

    async def read(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            if name:
                headers[name.lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length", 0))
        if length > BODY_MAX:
            raise Cut
        return Call(method, target, headers, await reader.readexactly(length) if length else b"")

    async def exchange(self, reader, writer):
        call = await self.read(reader, writer)
        self.calls += 1
        await self.running.wait()
        fault = self.chaos.exchange(self, call)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.before:
            raise Cut
        if fault.silence:  # half open: a request into nothing, until the caller gives up
            await asyncio.wait([asyncio.ensure_future(reader.read(1))], timeout=fault.silence)
            raise Cut
        # Servers give up what nobody waits for any more; a call whose answer gets lost is "after".
        if reader.at_eof() or reader.exception():
            raise Cut
        answer = fault.answer or self.answer(call)
        await self.running.wait()
        if fault.after:
            raise Cut
        if fault.garbage is not None and answer.status < 300 and not answer.stream:
            answer = Answer(answer.status, fault.garbage)
        await self.send(writer, call, answer, fault.cut_at)
        return True

    async def send(self, writer, call, answer, cut_at):
        head = [f"HTTP/1.1 {answer.status} Status"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        head.append("Transfer-Encoding: chunked" if answer.stream else
                    f"Content-Length: {len(answer.body)}")
        data = ("\r\n".join(head) + "\r\n\r\n").encode()
        if answer.stream:
            writer.write(data)
            async for chunk in answer.stream:
                writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        else:
            data += answer.body
            if cut_at is not None:
                writer.write(data[:int(cut_at * len(data))])
                await writer.drain()
                raise Cut
            writer.write(data)
        await writer.drain()
        call.told = True
        self.told(call, answer)

    def answer(self, call):
        raise NotImplementedError

    def told(self, call, answer):
        """After an answer has been handed to the network."""
