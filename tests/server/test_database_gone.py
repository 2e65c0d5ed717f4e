"""PostgreSQL is gone for a while in the middle of a run: nobody acts without it, and then the run comes to its end."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.server.moments import BODY, Stage
from tests.server.processes import until
from tests.server.product import product, server_url

SECONDS = 60 if os.environ.get("SYSMGR_FULL") == "1" else 9  # more than the lease lives
TTL = 6


class Way:
    """The only way to the database: it can be closed, with all that goes through it, and opened again."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._open: list[socket.socket] = []
        self._listener = self._listening(0)
        self.port = int(self._listener.getsockname()[1])
        self._serve()

    @staticmethod
    def _listening(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        return listener

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target, timeout=10)
                server.settimeout(None)
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                target.sendall(block)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Refuse new connections and end those that are there."""
        for end in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open = []

    def mend(self) -> None:
        """Let everybody through again."""
        self._listener = self._listening(self.port)
        self._serve()


@pytest.fixture
def staged() -> Iterator[tuple[Stage, Way]]:
    """A product whose only way to PostgreSQL can be cut."""
    if not server_url():
        pytest.skip("about PostgreSQL")
    with product(started=False, SYSMGR_LEASE_TTL_SECONDS=str(TTL)) as server:
        url = urlsplit(server.variables["DATABASE_URL"])
        way = Way(str(url.hostname), int(url.port or 5432))
        user = url.netloc.rpartition("@")[0]
        server.variables["DATABASE_URL"] = url._replace(netloc=f"{user}@127.0.0.1:{way.port}").geturl()
        server.start()
        try:
            yield Stage(server), way
        finally:
            way.cut()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("state", ["pushing", "staging", "activating"])
def test_a_run_waits_for_its_database(staged: tuple[Stage, Way], state: str) -> None:
    stage, way = staged
    stage.reset()
    run = str(stage.server.post("compute/version/upgrade", BODY)["upgrade_uuid"])
    with contextlib.closing(stage.connect()) as connection:
        cursor = connection.cursor()

        def there() -> bool:
            cursor.execute("SELECT 1 FROM upgrades_upgradeitem WHERE state = %s", [state])
            found = cursor.fetchone() is not None
            connection.commit()
            return found

        until(f"an item is {state}", there, 60, pause=0)
    way.cut()
    time.sleep(SECONDS)
    way.mend()
    until("the product is ready again", stage.server.is_ready, 60, pause=0.2)
    stage.check(run)
