"""Hosts that go down in mid-step, over real SSH: the run waits for them, and what was begun ends as promised."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cluster.models import Cluster, Host, HostService
from sysmgr.events.models import Event
from tests.sshd import SshHost, sshd_hosts
from upgrades.engine import stepping
from upgrades.engine.together import Together
from upgrades.models import HostHold, StepLog, UpgradeItem, UpgradeRun

from .drive import IP, ask, broken_package, content, drive

pytestmark = pytest.mark.django_db(transaction=True)
AWAY_SECONDS = 1.5
_WAIT = 60.0


class Scene(NamedTuple):
    """A host with a service, and a file that shows that the step which is held up has come that far."""

    host: SshHost
    reached: Path

    @property
    def up(self) -> Path:
        """Whether the service runs."""
        return self.host.root / "up"

    def content(self) -> dict[str, bytes]:
        return content(self.host.root / "storage" / "current")

    def mark(self, name: str) -> str:
        (file,) = self.host.root.glob(f".sysmgr/tasks/*/{name}.mark")
        return file.read_text().strip()

    def once(self) -> str:
        """A line of shell that never ends the first time."""
        return f"test -e {self.reached} || {{ touch {self.reached}; sleep 50; }}"

    def package(self, cluster: Cluster, tmp_path: Path, **held: str) -> None:
        """Take in a package whose service is a file; `held`: a command's text in place of its own."""
        texts = {"stop": f"rm -f {self.up}", "start": f"touch {self.up}", "status": f"test -e {self.up}", **held}
        toml = ""
        for name, text in texts.items():
            seconds = 55 if name in held else 6
            toml += f'[services.storage.commands.{name}]\nargv = ["sh", "-c", \'{text}\']\nseconds = {seconds}\n'
        broken_package(cluster, tmp_path, "2.0", toml)


@pytest.fixture
def scene(demo_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The demo's first host behind sshd; nobody waits for minutes, nor gives up under load."""
    monkeypatch.setattr(stepping, "PAUSES", (0.3,) * 100)
    monkeypatch.setattr(stepping, "CHANGE_PAUSES", (0.3,) * 100)
    monkeypatch.setattr(stepping, "ROLLBACK_PAUSES", (0.3,) * 100)
    row = Host.objects.get(host_ip=IP)
    shims, reached = tmp_path / "shims", tmp_path / "reached"
    shims.mkdir()
    with sshd_hosts(1, tmp_path / "sshd", path=f"{shims}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin") as (host,):
        host.root = Path(row.root)
        Host.objects.filter(pk=row.pk).update(**host.row())
        made = Scene(host, reached)
        # The first archive of a backup takes for ever.
        (shims / "tar").write_text(
            f"#!/bin/sh\nif [ -e {tmp_path}/slow ] && ls {host.root}/.sysmgr/tasks/*/backup.mark >/dev/null 2>&1\n"
            f'then {made.once()}\nfi\nexec {shutil.which("tar")} "$@"\n'
        )
        (shims / "tar").chmod(0o755)
        made.up.touch()
        yield made


def drive_down(scene: Scene, cluster: Cluster, term: int, back: Callable[[], Any]) -> tuple[UpgradeRun, dict[str, str]]:
    """Drive an upgrade whose host goes down where it is held up. `back` waits until it boots, and returns whether the
    boot starts the service; None where it never comes back. Return the run, and the marks of the host while it was
    down."""

    def reboot() -> dict[str, str]:
        deadline = time.monotonic() + _WAIT
        while not scene.reached.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        scene.host.crash()
        scene.up.unlink(missing_ok=True)
        found = {path.stem: path.read_text().strip() for path in scene.host.root.glob(".sysmgr/tasks/*/*.mark")}
        starts = back()
        if starts is not None:
            if starts:
                scene.up.touch()
            scene.host.start()
        return found

    with ThreadPoolExecutor(1) as other:
        down = other.submit(reboot)
        run = drive(ask(cluster, "storage", ip=scene.host.host_ip, version="2.0"), term)
        return run, down.result(timeout=_WAIT)


def soon(*, starts: bool = False) -> bool:
    time.sleep(AWAY_SECONDS)
    return starts


def tries(run: UpgradeRun, step: str) -> list[int | None]:
    logs = StepLog.objects.filter(item__run=run, step=step).order_by("begin_time", "pk")
    return list(logs.values_list("code", flat=True))


def test_one_that_reboots_in_its_backup_is_waited_for(
    scene: Scene, demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    scene.package(demo_cluster, tmp_path)
    (tmp_path / "slow").touch()
    run, marks = drive_down(scene, demo_cluster, term, soon)
    assert marks["backup"] == "started"
    assert (run.state, run.items.get().state) == ("succeeded", "committed")
    told = tries(run, "backup")
    assert len(told) > 2 and told[-1] == 0 and set(told[:-1]) == {None}
    (backup,) = (scene.host.root / "backups").iterdir()  # nothing of the first try is left


@pytest.mark.parametrize("hook", ["stop", "start"])
def test_one_that_reboots_while_it_is_switched_goes_on_by_its_marks(
    scene: Scene, demo_cluster: Cluster, term: int, tmp_path: Path, hook: str
) -> None:
    does = {"stop": f"rm -f {scene.up}", "start": f"touch {scene.up}"}[hook]
    scene.package(demo_cluster, tmp_path, **{hook: f"{scene.once()}; {does}"})
    run, marks = drive_down(scene, demo_cluster, term, soon)
    assert marks["activate" if hook == "start" else "activate.stop"] == ("effect" if hook == "start" else "started")
    assert (run.state, run.items.get().state, run.items.get().message) == ("succeeded", "committed", "")
    assert scene.up.exists() and scene.content()["file"] == b"storage 2.0"
    assert len(tries(run, "activate")) > 2 and not tries(run, "rollback")
    told = Event.objects.get(subject=run.pk, kind="upgrade.item.waiting")
    assert (told.severity, told.data["step"], told.data["host_ip"]) == ("warning", "activate", scene.host.host_ip)
    assert HostService.objects.get(host__host_ip=scene.host.host_ip, service_type="storage").version == "2.0"


@pytest.mark.parametrize("starts", [True, False], ids=["started by the boot", "not started"])
def test_one_that_reboots_while_it_is_verified_is_verified_again(
    scene: Scene, demo_cluster: Cluster, term: int, tmp_path: Path, starts: bool
) -> None:
    """A service that does not come up with its host is not well, and goes back."""
    old = scene.content()
    scene.package(demo_cluster, tmp_path, health=scene.once())
    run, marks = drive_down(scene, demo_cluster, term, lambda: soon(starts=starts))
    assert marks["verify"] == "started"
    assert run.items.get().state == ("committed" if starts else "rolled_back")
    assert tries(run, "activate") == [0] and tries(run, "verify")[-1] == (0 if starts else 18)
    assert scene.up.exists() and (scene.content() == old) == (not starts)


def test_one_that_comes_back_late_is_brought_back(
    scene: Scene, demo_cluster: Cluster, term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays away for longer than the change waits, and comes back while the old release is to be brought back."""
    monkeypatch.setattr(stepping, "CHANGE_PAUSES", (0.1, 0.1))
    given_up, honest = threading.Event(), Together.move

    async def move(self: Together, item: UpgradeItem, state: str, *why: Any, **facts: Any) -> None:
        await honest(self, item, state, *why, **facts)
        if state == UpgradeItem.State.ROLLING_BACK:
            given_up.set()

    monkeypatch.setattr(Together, "move", move)
    old = scene.content()
    scene.package(demo_cluster, tmp_path, start=f"{scene.once()}; touch {scene.up}")
    run, marks = drive_down(scene, demo_cluster, term, lambda: soon(starts=not given_up.wait(_WAIT)))
    item = run.items.get()
    assert marks["activate"] == "effect"
    assert (run.state, item.state, item.reason) == ("failed", "rolled_back", "unreachable")
    assert scene.content() == old and scene.up.exists()
    assert len(tries(run, "activate")) == 3 and tries(run, "rollback")[-1] == 0


def test_one_that_never_comes_back_is_left_to_a_person(
    scene: Scene, demo_cluster: Cluster, term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "CHANGE_PAUSES", (0.1, 0.1))
    monkeypatch.setattr(stepping, "ROLLBACK_PAUSES", (0.1, 0.1, 0.1))
    old = scene.content()
    scene.package(demo_cluster, tmp_path, stop=f"{scene.once()}; rm -f {scene.up}")
    run, marks = drive_down(scene, demo_cluster, term, lambda: None)
    item = run.items.get()
    assert (run.state, item.state, item.scode, item.reason) == ("failed", "inconsistent", 4044, "unproven")
    assert f"port {scene.host.port}" in item.message and "Recovering by hand" in item.message
    assert marks["activate.stop"] == scene.mark("activate.stop") == "started"
    assert scene.content() == old
    assert (len(tries(run, "activate")), len(tries(run, "rollback"))) == (3, 4)
    assert not HostHold.objects.exists()
