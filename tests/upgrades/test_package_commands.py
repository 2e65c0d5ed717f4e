"""The commands that make, try and trust packages, as their maker types them."""

from __future__ import annotations

import json
import re
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from cluster.models import Cluster
from sysmgr.audit.models import AuditRow
from upgrades.models import TrustedKey, UpgradePackage
from upgrades.package.sign import load_private_key, public_key_text

STEPS = ["prepare", "fence", "inspect", "spec", "push", "backup", "stage", "activate", "verify"]


def run(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def facts(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


def processes(work: Path) -> list[int]:
    """Return the processes that this test's throw-away hosts have left."""
    left = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if bytes(work) in path.read_bytes():
                left.append(int(path.parent.name))
        except OSError:
            continue
    return left


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands make their temporary folders, to see that nothing is left there."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_create_signing_key_makes_a_key_once(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    made = facts("create_signing_key", str(path))
    assert list(made) == ["file", "public_key", "fingerprint"]
    assert made["public_key"] == public_key_text(load_private_key(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(CommandError, match="never overwritten"):
        run("create_signing_key", str(path))
    with pytest.raises(CommandError, match="No such file"):
        run("create_signing_key", str(tmp_path / "no" / "such"))
    assert path.read_bytes() == before
    told = run("create_signing_key", str(tmp_path / "other.pem"))
    assert "manage.py trust_add NAME" in told
    assert "PRIVATE" not in told


@pytest.mark.django_db(transaction=True)
def test_trust_add_trusts_a_key_here_or_everywhere(cluster: Cluster) -> None:
    public = public_key_text(Ed25519PrivateKey.generate())
    first, again = (facts("trust_add", "vendor", public) for _ in range(2))
    assert first == again
    assert (first["cluster_uuid"], first["expire_time"]) == (str(cluster.pk), None)
    everywhere = facts("trust_add", "vendor", public, "--all-clusters", "--days", "30")
    assert everywhere["cluster_uuid"] is None
    assert everywhere["expire_time"] - everywhere["create_time"] in range(30 * 86400 - 60, 30 * 86400 + 60)
    assert AuditRow.objects.filter(action="trust.add", door="command").count() == 2
    for words, told in (
        (("other", public), "trusted there already"),
        (("x", "nonsense"), "not an Ed25519 public key"),
        (("x", public, "--days", "0"), "--days"),
        (("", public), "name"),
        (("x", public, "--cluster", "00000000-0000-4000-8000-000000000000"), "cluster"),
    ):
        with pytest.raises(CommandError, match=told) as error:
            run("trust_add", *words)
        assert "\n" not in str(error.value)
    assert TrustedKey.objects.count() == 2


def test_package_init_writes_what_package_check_finds_well(tmp_path: Path, work: Path) -> None:
    folder = tmp_path / "release"
    made = facts("package_init", str(folder), "--service", "storage")
    assert made["files"] == ["package.toml", "storage/bin/control", "storage/bin/storaged"]
    with pytest.raises(CommandError, match="exists already"):
        run("package_init", str(folder))
    checked = facts("package_check", str(folder), "--release", "1.6")
    assert (checked["ok"], checked["package_name"], checked["version"]) == (True, "updatepackage_1.6.tar.gz", "1.6")
    done = [(step["scenario"], step["step"]) for step in checked["steps"]]
    assert done == [("upgrade", step) for step in (*STEPS, "commit", "cleanup", "result")] + [
        ("rollback", step) for step in (*STEPS, "rollback", "cleanup", "result")
    ]
    assert list(work.iterdir()) == []
    assert processes(work) == []


def test_package_init_of_all_services_is_built_as_it_is(tmp_path: Path) -> None:
    told = run("package_init", str(tmp_path / "release"))
    assert "cloud, compute, storage" in told and "package_check" in told
    run("create_signing_key", str(tmp_path / "key.pem"))
    words = ("--release", "1.6", "--output", str(tmp_path), "--key", str(tmp_path / "key.pem"))
    assert facts("build_package", str(tmp_path / "release"), *words)["package"].endswith("updatepackage_1.6.tar.gz")


@pytest.mark.parametrize(
    ("hook", "body", "step"),
    [
        ("health", "exit 1", "verify"),
        ("start", "echo of no use; exit 3", "prepare"),
        ("stop", "exit 0", "activate"),
    ],
)
def test_package_check_fails_where_the_package_does(
    tmp_path: Path, work: Path, hook: str, body: str, step: str
) -> None:
    folder = tmp_path / "release"
    run("package_init", str(folder), "--service", "storage")
    control = folder / "storage" / "bin" / "control"
    control.write_text(control.read_text().replace("case $1 in\n", f"case $1 in\n    {hook}) {body} ;;\n"))
    settings = folder / "package.toml"
    settings.write_text(re.sub(r"seconds = \d+", "seconds = 2", settings.read_text()))
    out = StringIO()
    with pytest.raises(CommandError, match=f"storage: {step} failed on the way forward"):
        call_command("package_check", str(folder), stdout=out)
    failed = [line for line in out.getvalue().splitlines() if "FAILED" in line]
    assert f" {step} " in failed[0]
    assert list(work.iterdir()) == []
    assert processes(work) == []


@pytest.mark.parametrize("code", ["0", "4"])
def test_package_check_tries_drain_and_undrain_where_there_are_such_commands(
    tmp_path: Path, work: Path, code: str
) -> None:
    folder = tmp_path / "release"
    (folder / "storage").mkdir(parents=True)
    (folder / "storage" / "file").write_text("1.6\n")
    commands = {"drain": "exit 0", "undrain": f"echo why; exit {code}"}
    table = '[services.storage.commands.{0}]\nargv = ["sh", "-c", "{1}"]\n'
    (folder / "package.toml").write_text("".join(table.format(name, body) for name, body in commands.items()))
    out = StringIO()
    if code == "0":
        call_command("package_check", str(folder), stdout=out)
        assert out.getvalue().count(" undrain ") == 2 == out.getvalue().count(" drain ")
        return
    with pytest.raises(CommandError, match="storage: undrain failed on the way forward"):
        call_command("package_check", str(folder), stdout=out)
    assert "undrain exit 4" in out.getvalue() and "why" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_package_check_takes_a_package_whose_key_is_trusted_or_named(
    demo_cluster: Cluster, tmp_path: Path, work: Path
) -> None:
    package = next((tmp_path / "packages").glob("*/updatepackage_1.5.tar.gz"))
    assert facts("package_check", str(package))["ok"] is True
    public = TrustedKey.objects.get().public_key
    TrustedKey.objects.all().delete()
    with pytest.raises(CommandError, match="not signed by a trusted key"):
        run("package_check", str(package))
    assert "all well" in run("package_check", str(package), "--public-key", public)
    with pytest.raises(CommandError, match="there is nothing at"):
        run("package_check", str(tmp_path / "no such"))
    assert UpgradePackage.objects.count() == 2
    assert list(work.iterdir()) == []
