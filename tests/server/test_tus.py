"""The tuspy client against the running product: killed and resumed, and the server killed under it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from tusclient.client import TusClient

from tests.server import packages
from tests.server.processes import until
from tests.server.product import Product

MB = 1024 * 1024
SIZE = 24 * MB
# The client on a slow wire, so that it is in the middle of a request when it, or the server, is killed.
CLIENT = """
import http.client, sys, time
from tusclient.client import TusClient

send = http.client.HTTPConnection.send

def slowly(self, data):
    if not isinstance(data, bytes) or len(data) < 65536:
        return send(self, data)
    for start in range(0, len(data), 65536):
        send(self, data[start:start + 65536])
        time.sleep(float(sys.argv[5]))

http.client.HTTPConnection.send = slowly
client = TusClient(sys.argv[1], headers={"Authorization": sys.argv[2]})
uploader = client.uploader(
    sys.argv[3], chunk_size=int(sys.argv[4]), metadata={"filename": sys.argv[3].rpartition("/")[2]},
    upload_checksum=bool(sys.argv[6]),
)
uploader.upload()
"""


@pytest.fixture(scope="module")
def built(server: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Builds packages of some size, each of another version."""

    def build(version: str) -> Path:
        source = tmp_path_factory.mktemp("tus") / "source"
        packages.fill(source / "storage", version, 8, SIZE // 8)
        return packages.build(server, version, source)

    yield build


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxies this machine has, the product is asked directly."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def token(server: Product) -> str:
    return f"Bearer {server.log_in()['token']}"


def tus(server: Product) -> str:
    return f"{server.base}/v1/system/upgrade_package/tus"


@contextmanager
def client(server: Product, package: Path, chunk: int, pause: float, checksum: str = "") -> Iterator[Any]:
    """Run tuspy in a process of its own, and end it whatever happens."""
    words = [tus(server), token(server), str(package), str(chunk), str(pause), checksum]
    process = subprocess.Popen([sys.executable, "-c", CLIENT, *words], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


def upload(server: Product, package: Path) -> dict[str, Any]:
    """Return how the upload of a package stands; nothing before it was begun."""
    rows: list[dict[str, Any]] = server.get("upgrade_package/upload/list", filter_name=package.name)["list"]
    return rows[0] if rows else {}


def under_way(server: Product, package: Path, least: int) -> dict[str, Any]:
    """Wait until so much is here and not all of it."""

    def look() -> dict[str, Any]:
        row = upload(server, package)
        return row if row.get("offset", 0) > least else {}

    row = until("some of it is here", look, 60)
    assert row["offset"] < row["length"]
    return row


def resume(server: Product, package: Path, row: dict[str, Any], chunk: int, checksum: bool = False) -> int:
    """Go on with tuspy where the server says; return from where."""
    place = urljoin(server.base, f"/v1/system/upgrade_package/tus/{row['upload_uuid']}")
    with package.open("rb") as file:
        again = TusClient(tus(server), headers={"Authorization": token(server)}).uploader(
            file_stream=file, url=place, chunk_size=chunk, retries=20, retry_delay=1, upload_checksum=checksum
        )
        begun = int(again.offset)
        again.upload()
    return begun


def accepted(server: Product, package: Path) -> None:
    """Wait for the end of the checks, and compare the store with what was sent."""

    def over() -> dict[str, Any]:
        row = upload(server, package)
        return row if row.get("state") in ("accepted", "refused") else {}

    row = until("it was checked", over, 60)
    assert (row["state"], row["package_name"]) == ("accepted", package.name), row
    stored = list((server.data / "packages").glob(f"*/{package.name}"))
    assert [path.read_bytes() == package.read_bytes() for path in stored] == [True]
    names = [entry["package_name"] for entry in server.get("upgrade_package/list")["package_list"]]
    assert names.count(package.name) == 1
    until("nothing is left", lambda: not list((server.data / "uploads").iterdir()), 20)
    assert list((server.data / "quarantine").iterdir()) == []


def test_tuspy_sends_a_package_in_parts_with_checksums(server: Product, built: Any) -> None:
    package = built("3.0")
    with client(server, package, 4 * MB, 0, "sha1") as process:
        assert process.wait(timeout=60) == 0
    accepted(server, package)


def test_a_client_killed_in_the_middle_of_a_request_resumes_there(server: Product, built: Any) -> None:
    package = built("3.1")
    with client(server, package, 100 * MB, 0.02) as process:
        under_way(server, package, 4 * MB)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    row = under_way(server, package, 4 * MB)
    assert resume(server, package, row, 8 * MB) >= row["offset"] > 4 * MB
    accepted(server, package)


@pytest.mark.parametrize("checksum", ["", "sha1"])
def test_a_server_killed_in_the_middle_of_a_request_goes_on_from_what_is_proven(
    server: Product, built: Any, checksum: str
) -> None:
    package = built("3.2" if checksum else "3.3")
    with client(server, package, 4 * MB, 0.005, checksum):
        before = under_way(server, package, 7 * MB)["offset"]
        if checksum:  # bytes of the next part are here, but nothing vouches for them yet
            file = server.data / "uploads" / under_way(server, package, 7 * MB)["upload_uuid"]
            until("more than is proven", lambda: file.stat().st_size % (4 * MB) > MB // 2, 30)
        server.kill_all()
    server.start()
    row = under_way(server, package, 1)
    assert row["offset"] >= before
    if checksum:
        assert row["offset"] % (4 * MB) == 0
    assert resume(server, package, row, 4 * MB, bool(checksum)) == row["offset"]
    accepted(server, package)


def _other(server: Product, gone: int) -> bool:
    return server.manager() not in (0, gone)


def test_managers_killed_while_they_check_are_followed_by_one_that_ends_it(server: Product, built: Any) -> None:
    package = built("3.4")
    with client(server, package, 8 * MB, 0) as process:
        assert process.wait(timeout=60) == 0
    for _ in range(3):
        manager = until("a manager", server.manager, 30)
        if upload(server, package).get("state") != "finishing":
            break
        os.kill(manager, signal.SIGKILL)
        until("it is gone", partial(_other, server, manager), 30)
    accepted(server, package)
