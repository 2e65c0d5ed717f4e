"""What `manage.py serve` can't work with is told in one line that names the variable, and nothing is changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.product import Product, free_port, server_url
from tests.server.test_start import inodes, is_a_look

ON_SQLITE = pytest.mark.skipif(bool(server_url()), reason="about SQLite")


@pytest.fixture(scope="module")
def stopped(server: Product) -> Iterator[Product]:
    """A product that was set up and stopped."""
    assert server.terminate() == 0
    yield server


def refused(product: Product, *told: str, **variables: str) -> str:
    """Start with `variables`: one line that tells, a non-zero exit, and no change on the disk; return the line."""
    before = inodes(product.data)
    product.variables, kept = {**product.variables, **variables}, product.variables
    try:
        done = product.manage("serve")
    finally:
        product.variables = kept
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    for word in told:
        assert word in line, line
    after = inodes(product.data)
    if product.is_ready():  # a server that runs beside it goes on writing to its database, and looks at its hosts
        before, after = (
            {p: at for p, at in them.items() if "sqlite3" not in p and not is_a_look(p)} for them in (before, after)
        )
    assert after == before
    return line


def test_a_port_in_use(stopped: Product) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(stopped, bind, "in use", "SYSMGR_BIND", SYSMGR_BIND=bind)


def test_an_address_of_another_machine(stopped: Product) -> None:
    refused(stopped, "192.0.2.7:8000", "SYSMGR_BIND", SYSMGR_BIND="192.0.2.7:8000", SYSMGR_INSECURE_HTTP="true")


@pytest.mark.parametrize("place", ["below-a-file", "proc"])
def test_a_data_dir_that_cannot_be_written(stopped: Product, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    folder = {"below-a-file": f"{tmp_path}/file/data", "proc": "/proc/sysmgr"}[place]
    refused(stopped, folder, "SYSMGR_DATA_DIR", SYSMGR_DATA_DIR=folder)


@ON_SQLITE
def test_a_database_file_that_cannot_be_written(stopped: Product) -> None:
    refused(stopped, "/proc/no.sqlite3", "DATABASE_URL", DATABASE_URL="sqlite:////proc/no.sqlite3")


@pytest.mark.parametrize("url", ["garbage sesame", "mysql://user:sesame@127.0.0.1/name", "postgres://127.0.0.1"])
def test_a_database_url_that_is_garbage(stopped: Product, url: str) -> None:
    assert "sesame" not in refused(stopped, "DATABASE_URL", DATABASE_URL=url)


def test_a_postgresql_that_does_not_answer(stopped: Product) -> None:
    url = f"postgres://user:sesame@127.0.0.1:{free_port()}/name"
    assert "sesame" not in refused(stopped, "DATABASE_URL", "refused", DATABASE_URL=url)


@ON_SQLITE
def test_a_second_server_on_the_same_sqlite(stopped: Product) -> None:
    stopped.start()
    try:
        refused(stopped, "another sysmgr", "SYSMGR_DATA_DIR", SYSMGR_BIND=f"127.0.0.1:{free_port()}")
        assert stopped.is_ready()
    finally:
        assert stopped.terminate() == 0
