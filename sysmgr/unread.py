"""Bodies that nobody reads: the server then hangs up, and the answer says so before it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Counted:
    """The request's body, and how much of it was read."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.count = stream, 0

    def read(self, *size: int) -> bytes:
        """Read as the stream does."""
        block: bytes = self._stream.read(*size)
        self.count += len(block)
        return block

    def readline(self, *size: int) -> bytes:
        """Read a line as the stream does."""
        line: bytes = self._stream.readline(*size)
        self.count += len(line)
        return line


def announced(application: Application) -> Application:
    """Return the application with `Connection: close` in each answer that leaves a part of the body unread.

    Granian ends such a connection by itself; a client that was not told would send its next request into it and
    lose it (RFC 9112, 9.6).
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = str(environ.get("CONTENT_LENGTH") or "")
        expected = int(length) if length.isdigit() else 0
        body = environ["wsgi.input"] = _Counted(environ["wsgi.input"])

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if body.count < expected or "HTTP_TRANSFER_ENCODING" in environ:
                headers = [*headers, ("Connection", "close")]
            return start_response(status, headers, *more)

        return application(environ, start)

    return answer
