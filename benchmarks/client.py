"""A load client: keep-alive connections with one request each under way, read no further than an answer's end."""

from __future__ import annotations

import asyncio
import time


class Failed(Exception):
    """A server answered with something else than 200, or hung up."""


class _Connection(asyncio.Protocol):
    """Sends the same request again as soon as its answer is whole."""

    def __init__(self, request: bytes, deadline: float) -> None:
        self.request, self.deadline = request, deadline
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.count, self.buffer, self.missing, self.chunked = 0, b"", -1, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:  # the head is not whole yet
            self.buffer += data
            place = self.buffer.find(b"\r\n\r\n")
            if place < 0:
                return
            head, data, self.buffer = self.buffer[:place].lower(), self.buffer[place + 4 :], b""
            if not head.startswith(b"http/1.1 200"):
                self.fail(head[:60].decode("latin-1"))
                return
            self.chunked = b"transfer-encoding: chunked" in head
            start = head.find(b"content-length: ")
            self.missing = 1 if self.chunked else int(head[start + 16 :].split(b"\r", 1)[0])
        if self.chunked:
            self.buffer = (self.buffer + data)[-7:]
            whole = self.buffer.endswith(b"\r\n0\r\n\r\n")
        else:
            self.missing -= len(data)
            whole = self.missing <= 0
        if not whole:
            return
        self.count, self.buffer, self.missing = self.count + 1, b"", -1
        if time.perf_counter() < self.deadline:
            self.transport.write(self.request)
        elif not self.done.done():
            self.done.set_result(self.count)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.fail("the server hung up")

    def fail(self, reason: str) -> None:
        self.done.set_exception(Failed(reason))
        self.transport.close()


async def _drive(port: int, request: bytes, connections: int, seconds: float) -> float:
    loop, start = asyncio.get_running_loop(), time.perf_counter()
    made = [
        (await loop.create_connection(lambda: _Connection(request, start + seconds), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    counts = await asyncio.wait_for(asyncio.gather(*(connection.done for connection in made)), seconds + 30)
    return sum(counts) / (time.perf_counter() - start)


def rate(port: int, path: str, *, token: str = "", connections: int = 16, seconds: float = 2.0) -> float:
    """Return the requests per second that a server answers."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n".encode()
    return asyncio.run(_drive(port, request, connections, seconds))
