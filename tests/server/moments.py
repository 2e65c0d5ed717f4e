"""One upgrade, killed at a moment: a stage that is set anew before each, and what must hold after each."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from tests.server import packages
from tests.server.hosts import Watcher, backup_content, content, host, listed, on_disk, rested, store, true_facts
from tests.server.processes import until
from tests.server.product import Product

IP = "10.30.12.55"
OLD = {"compute": "1.4.rc2", "storage": "1.3"}
NEW = "1.6"
BODY = {"list": [{"host_ip": IP, "service_type": service, "version": NEW} for service in OLD]}
STEPS = {"push", "backup", "stage", "activate", "verify", "commit", "cleanup"}


def remake(root: Path, pristine: Path) -> None:
    """Make a host's folder anew, also while a leader looks at the host and so writes below it."""

    def gone() -> bool:
        shutil.rmtree(root, ignore_errors=True)
        return not root.exists()

    until("the host's folder is gone", gone, 10)
    shutil.copytree(pristine, root, symlinks=True, dirs_exist_ok=True)


class Stage:
    """A product with releases and a package that are large enough for a kill to fall into a step."""

    def __init__(self, server: Product) -> None:
        self.server = server
        self.root, self.pristine = host(server, IP), server.folder / "pristine"
        source = server.folder / "source"
        for service, version in OLD.items():
            packages.fill(self.root / service / "releases" / version, f"{service} old", 60, 50_000)
            packages.fill(source / service, service, 150, 60_000)
        server.upload(packages.build(server, NEW, source))
        self.package = store(server) / f"updatepackage_{NEW}.tar.gz"
        self.old = {service: content(self.root / service / "current") for service in OLD}
        shutil.copytree(self.root, self.pristine, symlinks=True)

    def reset(self) -> None:
        """Make the host anew, on the disk and in the database; the runs of earlier moments stay."""
        remake(self.root, self.pristine)
        hosts = f"(SELECT id FROM cluster_host WHERE host_ip = '{IP}')"
        backups = f"(SELECT id FROM upgrades_backup WHERE host_id IN {hosts})"
        statements = [f"UPDATE upgrades_upgradeitem SET source_id = NULL WHERE source_id IN {backups}"]
        statements += [f"DELETE FROM upgrades_backup WHERE host_id IN {hosts}"]
        statements += [
            f"UPDATE cluster_hostservice SET version = '{version}', unmanaged = false "
            f"WHERE service_type = '{service}' AND host_id IN {hosts}"
            for service, version in OLD.items()
        ]
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def connect(self) -> Any:
        """Open the server's database beside it."""
        url = self.server.variables.get("DATABASE_URL", "")
        return psycopg2.connect(url) if url else sqlite3.connect(self.server.data / "sysmgr.sqlite3", timeout=20)

    def measure(self) -> float:
        """Return how long a run takes that nobody disturbs."""
        self.reset()
        begun = time.monotonic()
        self.check(self.server.post("compute/version/upgrade", {**BODY, "wait": True})["upgrade_uuid"])
        return time.monotonic() - begun

    def known(self) -> set[str]:
        """Return the runs that are stored."""
        listing = self.server.get("upgrade/list", page_size="1000")["list"]
        return {run["upgrade_uuid"] for run in listing}

    def kill(self, moment: float, *, everything: bool) -> None:
        """Start a run, kill the server (or only its manager) after `moment` seconds, and check how it ends."""
        self.reset()
        before = self.known()
        answers: list[str] = []

        def ask() -> None:
            with contextlib.suppress(httpx.HTTPError):
                answers.append(self.server.post("compute/version/upgrade", BODY)["upgrade_uuid"])

        watchers = [Watcher(self.root / service / "current", pause=0.002) for service in OLD]
        with watchers[0], watchers[1]:
            asking = threading.Thread(target=ask)
            asking.start()
            time.sleep(moment)
            if everything:
                self.server.kill_all()
                asking.join(45)
                self.server.start()
            else:
                os.kill(until("a manager", self.server.manager), signal.SIGKILL)
                asking.join(45)
            new = self.known() - before
            assert set(answers) <= new, "an answered run must be stored"
            assert len(new) <= 1
            for run in new:
                self.check(run)
        assert [watcher.missed for watcher in watchers] == [[], []]
        if new:
            moves = [[f"releases/{version}", f"releases/{NEW}"] for version in OLD.values()]
            assert [watcher.targets for watcher in watchers] == moves

    def check(self, run: str) -> None:
        """Check that the run succeeded and did everything exactly once."""
        server = self.server
        ended = rested(server, run)
        assert ended["state"] == "succeeded", ended
        assert {item["state"] for item in ended["results"]} == {"committed"}
        for service in OLD:
            assert (self.root / service / "current").readlink() == Path("releases", NEW)
            assert on_disk(self.root / service / "current") == listed(self.package, service)
        entries = server.get("compute/version/list", host_ip=IP)["list"]
        files = {entry["version"]: self.root / "backups" / entry["package_name"] for entry in entries}
        assert len(entries) == len(files) == len(OLD)
        for entry in entries:
            assert (entry["md5"], entry["size"]) == true_facts(files[entry["version"]])
        for service, version in OLD.items():
            assert backup_content(files[version]) == self.old[service]
        with contextlib.suppress(AssertionError):
            # At the latest by the next leader, who on PostgreSQL waits for the end of the killed one's lease.
            until("the last files are removed", lambda: not self.leftovers(files), 25, pause=0.1)
        assert self.leftovers(files) == []
        marks = {str(path.relative_to(self.root)): path.read_text().strip() for path in self.root.rglob("*.mark")}
        assert set(marks.values()) == {"done"}, marks
        tasks = list((self.root / ".sysmgr" / "tasks").iterdir())
        assert len(tasks) == len(OLD)
        assert all({path.stem for path in task.glob("*.mark")} >= STEPS for task in tasks), marks

    def leftovers(self, files: dict[str, Path]) -> list[str]:
        """Return what should not be there once a run rests."""
        found = [*(self.server.data / "quarantine").glob("*"), *(self.server.data / "work").glob("*")]
        found += (self.root / "packages").glob("*")
        found += set((self.root / "backups").iterdir()) - set(files.values())
        for service, version in OLD.items():
            found += set((self.root / service / "releases").iterdir()) - {
                self.root / service / "releases" / name for name in (version, NEW)
            }
        # os.walk passes over a folder that is being removed while it looks; rglob raises.
        names = [Path(folder, name) for folder, _, inside in os.walk(self.server.data) for name in inside]
        hidden = [p for p in names if p.name.startswith(".") and p.suffix in (".part", ".partial", ".draft")]
        return [str(path) for path in (*found, *hidden)]

    def kill_manager_when(self, state: str) -> None:
        """Kill the manager as soon as the database holds an item (or run) in `state`, and check how the run ends."""
        self.reset()
        table, key = ("upgraderun", "uuid") if state == "succeeded" else ("upgradeitem", "run_id")
        run = str(self.server.post("compute/version/upgrade", BODY)["upgrade_uuid"])
        manager = until("a manager", self.server.manager)
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor()
            # SQLite keeps a UUID as 32 hex digits, PostgreSQL takes them for one.
            query = f"SELECT 1 FROM upgrades_{table} WHERE state = '{state}' AND {key} = '{run.replace('-', '')}'"

            def there() -> bool:
                cursor.execute(query)
                found = cursor.fetchone() is not None
                connection.commit()
                return found

            until(f"something is {state}", there, 60, pause=0)
        os.kill(manager, signal.SIGKILL)
        self.check(run)
