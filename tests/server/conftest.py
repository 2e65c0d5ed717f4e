"""What tests of the running product share: products, and their logs beside a failure."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.server.hosts import host
from tests.server.processes import alive
from tests.server.product import LIVING, Product, product

_LOG_TAIL = 6000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers wrote when a test failed."""
    report = yield
    if report.failed:
        for living in LIVING:
            report.sections.append((f"log of the server in {living.folder}", living.errors()[-_LOG_TAIL:]))
    return report


@pytest.fixture(scope="module")
def server() -> Iterator[Product]:
    """A server that the tests of one file share."""
    with product() as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[Product]:
    """A product that was never started."""
    with product(started=False) as made:
        yield made


@pytest.fixture
def bare() -> Iterator[Product]:
    """A product that was never started, and for which nothing was made ready."""
    with product(started=False, bare=True) as made:
        yield made


@pytest.fixture
def run_folder(server: Product) -> Iterator[Path]:
    """Where the daemon of the demo's third host says who it is; it is ended with the test."""
    folder = host(server, "10.30.12.55") / "run"
    try:
        yield folder
    finally:
        if (folder / "pid").exists():
            pid = int((folder / "pid").read_text())
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
