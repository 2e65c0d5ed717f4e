"""The way back on the running product: a real daemon, and the server killed during restores and rollbacks."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server import packages
from tests.server.hosts import Watcher, backup_content, content, daemon_says, host, rested, true_facts, upgrade
from tests.server.moments import IP, NEW, OLD, Stage
from tests.server.processes import alive, until
from tests.server.product import Product, product, server_url

MOMENTS = 3 if server_url() else 6


def test_a_rollback_and_a_restore_run_the_right_process(server: Product, run_folder: Path, tmp_path: Path) -> None:
    for version, hooks in {"2.0": ("start", "status"), "2.1": ("stop", "start", "status")}.items():
        server.upload(packages.build(server, version, packages.daemon(tmp_path, "storage", version, *hooks)))
        run = upgrade(server, IP, "storage", version=version)
        assert run["state"] == "succeeded", run
    service = host(server, IP) / "storage"
    new, newer = content(service / "current"), daemon_says(run_folder)
    assert newer[0] == "2.1"

    answer = server.post("upgrade/rollback", {"upgrade_uuid": run["upgrade_uuid"]})
    back = rested(server, answer["upgrade_uuid"])
    assert (back["state"], back["origin_uuid"]) == ("succeeded", run["upgrade_uuid"]), back
    older = daemon_says(run_folder)
    assert (older[0], alive(older[1])) == ("2.0", True)
    until("the newer process is gone", lambda: not alive(newer[1]), 10)
    assert (service / "current").readlink() == Path("releases/2.0")

    entries = server.get("compute/version/list", host_ip=IP)["list"]
    (name,) = (entry["package_name"] for entry in entries if entry["version"] == "2.1")
    body = {"host_ip": IP, "package_name": name}
    assert server.post("compute/version/verify", body)["verified_time"] > 0
    answer = server.post("compute/version/restore", {**body, "wait": True})
    again = rested(server, answer["upgrade_uuid"])
    assert again["state"] == "succeeded", again
    assert daemon_says(run_folder)[0] == "2.1"
    until("the older process is gone", lambda: not alive(older[1]), 10)
    assert content(service / "current") == new


class Back:
    """A stage on which an upgrade is done, and taken back while the server is killed."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def call(self, run: str, *, restore: bool) -> tuple[str, dict[str, Any]]:
        """Return the call that goes back."""
        if not restore:
            return "upgrade/rollback", {"upgrade_uuid": run}
        entries = self.stage.server.get("compute/version/list", host_ip=IP)["list"]
        (name,) = (entry["package_name"] for entry in entries if entry["version"] == OLD["storage"])
        return "compute/version/restore", {"host_ip": IP, "package_name": name}

    def go(self, moment: float | None, *, restore: bool) -> float:
        """Upgrade, go back, kill the server after `moment` seconds, and check how it ends; return how long it took."""
        stage, server = self.stage, self.stage.server
        services = ("storage",) if restore else tuple(OLD)
        stage.reset()
        upgraded = server.post("compute/version/upgrade", {**_body(services), "wait": True})["upgrade_uuid"]
        assert rested(server, upgraded)["state"] == "succeeded"
        new = {service: content(stage.root / service / "current") for service in services}
        # A restore must unpack the backup: the kept release is damaged.
        if restore:
            (stage.root / "storage" / "releases" / OLD["storage"] / "data" / "0" / "file-0").unlink()
        call, body = self.call(upgraded, restore=restore)
        before = stage.known()
        answers: list[str] = []

        def ask() -> None:
            with contextlib.suppress(httpx.HTTPError):
                answers.append(server.post(call, body)["upgrade_uuid"])

        watchers = [Watcher(stage.root / service / "current", pause=0.002) for service in services]
        begun = time.monotonic()
        with contextlib.ExitStack() as stack:
            for watcher in watchers:
                stack.enter_context(watcher)
            asking = threading.Thread(target=ask)
            asking.start()
            if moment is not None:
                time.sleep(moment)
                server.kill_all()
            asking.join(45)
            if moment is not None:
                server.start()
            runs = stage.known() - before
            assert set(answers) <= runs, "an answered run must be stored"
            assert len(runs) <= 1
            for run in runs:
                ended = rested(server, run)
                assert ended["state"] == "succeeded", ended
        took = time.monotonic() - begun
        assert all(watcher.missed == [] for watcher in watchers)
        if runs:
            self.check(services, new)
        return took

    def check(self, services: tuple[str, ...], new: dict[str, dict[str, tuple[bytes, int]]]) -> None:
        """Check that the old bytes run, once, and that both backups of each service are whole."""
        stage = self.stage
        entries = stage.server.get("compute/version/list", host_ip=IP)["list"]
        files = {entry["package_name"]: stage.root / "backups" / entry["package_name"] for entry in entries}
        assert len(files) == 2 * len(services)
        kept = [backup_content(file) for file in files.values()]
        for entry in entries:
            assert (entry["md5"], entry["size"]) == true_facts(files[entry["package_name"]])
        for service in services:
            assert (stage.root / service / "current").readlink() == Path("releases", OLD[service])
            assert content(stage.root / service / "current") == stage.old[service]
            assert stage.old[service] in kept and new[service] in kept
        listed = {entry["host_ip"]: entry for entry in stage.server.get("upgrade_package/list")["list"]}
        assert {service: listed[IP]["type_version"][service] for service in services} == {
            service: OLD[service] for service in services
        }
        with contextlib.suppress(AssertionError):
            until("the last files are removed", lambda: not stage.leftovers(files), 25, pause=0.1)
        assert stage.leftovers(files) == []
        marks = {path.read_text().strip() for path in stage.root.rglob("*.mark")}
        assert marks == {"done"}


def _body(services: tuple[str, ...]) -> dict[str, Any]:
    return {"list": [{"host_ip": IP, "service_type": service, "version": NEW} for service in services]}


@pytest.fixture(scope="module")
def back() -> Iterator[tuple[Back, dict[bool, float]]]:
    """A stage, and how long each way back takes that nobody disturbs."""
    with product(SYSMGR_WEB_WORKERS="1") as made:
        staged = Back(Stage(made))
        yield staged, {restore: staged.go(None, restore=restore) for restore in (False, True)}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(MOMENTS))
def test_a_killed_way_back_succeeds_once(back: tuple[Back, dict[bool, float]], number: int) -> None:
    staged, seconds = back
    restore = number % 2 == 0
    moment = random.Random(number).uniform(0, seconds[restore])
    print(f"moment {number}: {'restore' if restore else 'rollback'}, {moment:.2f} of {seconds[restore]:.2f} s")
    staged.go(moment, restore=restore)
