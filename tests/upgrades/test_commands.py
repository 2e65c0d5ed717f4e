"""The commands of packages and upgrades, as an operator types them."""

from __future__ import annotations

import json
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cluster.models import Cluster, HostService
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.together import at_once
from tests.upgrades.engine.drive import go
from upgrades import controls
from upgrades.intake import store
from upgrades.models import UpgradePackage, UpgradeRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("demo_cluster", "term")]
IP = "10.30.12.55"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What a package of 1.6 is built from."""
    folder = tmp_path / "release"
    (folder / "storage" / "bin").mkdir(parents=True)
    (folder / "storage" / "bin" / "storaged").write_text("#!/bin/sh\necho 1.6\n")
    (folder / "storage" / "bin" / "storaged").chmod(0o755)
    return folder


def run(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def test_build_then_import_then_again(source: Path, tmp_path: Path, demo_cluster: Cluster) -> None:
    words = ("build_package", str(source), "--release", "1.6", "--output", str(tmp_path), "--json")
    built = json.loads(run(*words))
    assert json.loads(run(*words)) == built
    first = json.loads(run("import_package", built["package"], "--json"))
    assert json.loads(run("import_package", built["package"], "--json")) == first
    assert (first["version"], first["signed_by"]) == ("1.6", "demo")
    stored = store(demo_cluster) / "updatepackage_1.6.tar.gz"
    assert stored.read_bytes() == Path(built["package"]).read_bytes()
    assert UpgradePackage.objects.filter(version="1.6").count() == 1
    assert AuditRow.objects.filter(action="package.accept", door="command").count() == 1


@pytest.mark.alike
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("build_package", "/no/such", "--release", "1.6"), "cannot be read"),
        (("build_package", "{source}", "--release", "not a version", "--output", "{source}"), "version"),
        (("build_package", "{source}", "--release", "1.6", "--output", "/no/such"), "is no folder"),
        (("build_package", "{source}", "--release", "1.6", "--key", "/no/such"), "no signing key"),
        (("import_package", "/no/such.tar.gz"), "can't read"),
        (("import_package", "{source}/storage/bin/storaged"), "gzip"),
        (("upgrade", "10.9.9.9", "storage", "--yes"), "is no host of the cluster"),
        (("upgrade", IP, "cloud", "--yes"), "is not run by the host"),
        (("upgrade", IP, "storage", "--to", "1.3", "--yes"), "no package of the store"),
        (("upgrade", IP, "storage"), "nobody can be asked here"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(source: Path, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told) as error:
        run(*(word.format(source=source) for word in words))
    assert "\n" not in str(error.value)
    assert not UpgradeRun.objects.exists()
    assert UpgradePackage.objects.count() == 2


def drive_when_asked(term: int) -> None:
    """Play the manager: drive the first run that appears."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (asked := UpgradeRun.objects.first()) is not None:
            go(asked, term)
            return
        time.sleep(0.1)


def test_upgrade_watches_to_the_end_and_says_what_became(term: int) -> None:
    words = ("upgrade", IP, "storage", "compute", "--yes", "--reason", "because")
    told, _ = at_once([lambda: run(*words), lambda: drive_when_asked(term)])
    assert f"{IP} storage 1.3 -> 1.5: committed" in told
    assert told.rstrip().endswith("succeeded")
    assert UpgradeRun.objects.get().reason == "because"
    assert HostService.objects.get(host__host_ip=IP, service_type="storage").version == "1.5"


def test_upgrade_exits_with_an_error_when_it_did_not_succeed(term: int, demo_cluster: Cluster) -> None:
    (store(demo_cluster) / "updatepackage_1.5.tar.gz").write_bytes(b"spoilt")

    def upgrade() -> str:
        with pytest.raises(CommandError) as error:
            run("upgrade", IP, "storage", "--yes", "--json")
        return str(error.value)

    told, _ = at_once([upgrade, lambda: drive_when_asked(term)])
    assert "failed" in told and "digest differs" in told


def test_upgrade_shows_its_plan_and_starts_nothing() -> None:
    told = run("upgrade", IP, "storage", "--plan")
    assert told.startswith(f"{IP} storage: 1.3 -> 1.5 (updatepackage_1.5.tar.gz)\n")
    assert "bytes to push" in told
    plan = json.loads(run("upgrade", IP, "storage", "--plan", "--json"))
    assert (len(plan["order"]), len(plan["fingerprint"])) == (1, 64)
    assert not UpgradeRun.objects.exists()


def test_upgrade_stops_watching_a_run_that_is_paused(demo_cluster: Cluster) -> None:
    def pause_when_asked() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not UpgradeRun.objects.exists():
            time.sleep(0.1)
        controls.pause(demo_cluster, UpgradeRun.objects.get().pk, SYSTEM)

    def upgrade() -> str:
        with pytest.raises(CommandError) as error:
            run("upgrade", IP, "storage", "--yes")
        return str(error.value)

    told, _ = at_once([upgrade, pause_when_asked])
    assert "is paused" in told and "upgrade/resume" in told


def test_upgrade_can_be_started_without_watching() -> None:
    facts = json.loads(run("upgrade", IP, "storage", "--yes", "--detach", "--json"))
    assert (facts["state"], facts["counts"]) == ("pending", {"pending": 1})
