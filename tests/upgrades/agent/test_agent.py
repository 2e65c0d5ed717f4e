"""The host script by itself: every step, twice, and every refusal."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from .host import BACKUP, NEW, OLD_FILES, STEPS, Host, tree


def test_an_upgrade_changes_the_files_and_keeps_the_old_ones(host: Host, tmp_path: Path) -> None:
    host.ok(*STEPS, "commit", "cleanup")
    assert host.current() == NEW
    assert (host.link / "bin" / "storaged").stat().st_mode & 0o777 == 0o755
    assert host.link.stat().st_mode & 0o777 == 0o755
    with tarfile.open(host.root / "backups" / BACKUP) as backup:
        backup.extractall(tmp_path / "read", filter="data")
    read = {str(p.relative_to(tmp_path / "read")) for p in (tmp_path / "read").rglob("*") if not p.is_dir()}
    assert read == {*OLD_FILES, "link"}
    assert host.leftovers() == []


def test_a_backup_is_for_its_owner_only(dash: Host) -> None:
    """It may hold files that nobody else may read, and so may its scratch copy."""
    dash.ok("spec", "push", "backup")
    assert (dash.root / "backups" / BACKUP).stat().st_mode & 0o077 == 0


def test_every_step_twice_answers_the_same(host: Host) -> None:
    for step in (*STEPS, "commit", "cleanup"):
        assert host.step(step) == host.step(step), step
    assert host.current() == NEW


def test_rollback_brings_the_old_release_back(host: Host) -> None:
    old = tree(host.old)
    host.ok(*STEPS)
    assert host.step("rollback") == host.step("rollback") == (0, "version 1.3\nfrom release\n")
    assert host.step("cleanup") == host.step("cleanup")
    assert host.link.readlink() == Path("releases/1.3")
    assert tree(host.old) == old
    assert not (host.root / "storage" / "releases" / "1.5").exists()
    assert host.leftovers() == []
    for step in ("commit", "activate", "stage"):
        assert host.step(step)[0] == 10


def test_a_rollback_before_any_change_changes_nothing(host: Host) -> None:
    old = tree(host.old)
    host.ok("spec", "push", "backup", "stage", "rollback", "cleanup")
    assert (tree(host.old), host.leftovers()) == (old, [])
    assert host.step("activate")[0] == 10


@pytest.mark.parametrize("spoil", ["changed", "mode", "missing", "more", "gone", "link"])
def test_a_broken_old_release_comes_back_from_the_backup(host: Host, spoil: str) -> None:
    old = tree(host.old)
    host.ok(*STEPS)
    match spoil:
        case "changed":
            (host.old / "etc" / "a b").write_bytes(b"spoilt")
        case "mode":
            host.old.chmod(0o700)
        case "missing":
            (host.old / ".hidden").unlink()
        case "more":
            (host.old / "etc" / "empty").mkdir()
        case "gone":
            host.old.rename(host.root / "moved")
        case "link":
            host.old.rename(host.root / "moved")
            host.old.symlink_to(host.root / "moved")
    assert host.step("rollback") == (0, "version 1.3\nfrom backup\n"), host.log()
    assert host.step("rollback") == (0, "version 1.3\nfrom backup\n")
    host.ok("cleanup")
    assert host.link.readlink() == Path("releases/1.3")
    assert tree(host.old) == old
    assert host.leftovers() == []


@pytest.mark.parametrize("spoil", ["changed", "gone", "other"])
def test_without_release_and_backup_the_state_is_unproven(host: Host, spoil: str) -> None:
    host.ok(*STEPS)
    (host.old / "etc" / "a b").write_bytes(b"spoilt")
    backup = host.root / "backups" / BACKUP
    if spoil == "changed":
        backup.write_bytes(backup.read_bytes()[:-9])
    else:
        backup.unlink()
    if spoil == "other":
        backup.mkdir()
    for _ in range(2):
        code, said = host.step("rollback")
        assert (code, said.split()[:2]) == (21, ["error", "unproven"])
    assert host.current() == NEW, "nothing was switched to what can't be proven"
    assert host.step("cleanup")[0] == 10, "nobody knows yet which release is needed"


def test_refusals(host: Host) -> None:
    host.ok("spec")
    assert host.call("verify", term=4)[0] == 11
    assert host.call("verify", cluster="c2", term=9)[0] == 12
    assert host.step("stage")[0] == 10
    assert host.step("activate")[0] == 10
    assert host.call("backup", "../x")[0] == 10
    assert host.call("backup", ".x")[0] == 10
    assert host.call("nonsense")[0] == 10
    assert host.call("spec", stdin=host.spec()[:-2])[0] == 10
    assert host.call("push", stdin=host.payload()[:700])[0] in (15, 17)
    assert host.call("push", stdin=host.payload().replace(b"echo new", b"echo bad"))[0] == 17
    assert not (host.root / "packages" / "1.5" / "storage").exists()
    (host.root / "backups").mkdir()
    (host.root / "backups" / BACKUP).write_bytes(b"somebody else's")
    assert host.step("backup")[0] == 20
    assert (host.root / "backups" / BACKUP).read_bytes() == b"somebody else's"


def test_a_higher_term_fences_the_lower_one(host: Host) -> None:
    host.ok("spec", "push")
    host.ok("push", "backup", term=6)
    assert host.step("backup")[0] == 11
    assert host.call("fence", term=7)[0] == 0
    assert host.step("stage", term=6)[0] == 11
    host.ok("stage", "activate", "verify", term=7)


def test_a_changed_file_fails_verify_and_then_no_commit(host: Host) -> None:
    host.ok(*STEPS)
    (host.link / "etc" / "storage.conf").write_bytes(b"version=6.6\n")
    assert host.step("verify")[0] == 17
    assert host.step("commit")[0] == 10, "the earlier verify no longer counts"


@pytest.mark.parametrize("spoil", ["changed", "more", "mode", "link"])
def test_a_spoilt_staged_release_is_not_activated(dash: Host, spoil: str) -> None:
    old = dash.current()
    dash.ok("spec", "push", "backup", "stage")
    file = dash.root / "storage" / "releases" / "1.5" / "etc" / "storage.conf"
    if spoil == "changed":
        file.write_bytes(b"version=6.6\n")
    elif spoil == "more":
        (file.parent / "more").touch()
    elif spoil == "mode":
        file.chmod(0o4644)
    else:
        file.rename(dash.root / "elsewhere")
        file.symlink_to(dash.root / "elsewhere")
    assert dash.step("activate")[0] == 17
    assert dash.current() == old
    dash.ok("stage", "activate", "verify")
    assert dash.current() == NEW


def test_stale_parts_of_an_earlier_crash_do_no_harm(dash: Host) -> None:
    for stale in ("packages/1.5/.storage.t1", "storage/releases/.1.5.t1", ".sysmgr/tasks/t1/scratch"):
        (dash.root / stale).mkdir(parents=True)
        (dash.root / stale / "stale").touch()
    (dash.root / "backups").mkdir()
    (dash.root / "backups" / ".t1.part").write_bytes(b"half")
    (dash.root / "storage" / ".current.t1").symlink_to("nowhere")
    (dash.state / "spec.new").write_bytes(b"half")
    dash.ok(*STEPS, "commit", "cleanup")
    assert (dash.current(), dash.leftovers()) == (NEW, [])


def test_cleanup_leaves_another_service_of_the_host_alone(dash: Host) -> None:
    """Also after a crash, when that service's parts are there and nobody holds the lock."""
    other = Host(dash.root.parent / "other", dash.shell, service="compute")
    (other.root / "compute").rename(dash.root / "compute")
    theirs = [".t2.part", ".backup_1.3_20260101_0001.tar.gz.part"]
    dash.ok(*STEPS, "commit")
    for part in theirs:
        (dash.root / "backups" / part).write_bytes(b"being written")
    (dash.root / "packages" / "1.5" / "compute").mkdir()
    dash.ok("cleanup")
    assert sorted(p.name for p in (dash.root / "backups").glob(".*")) == sorted(theirs)
    assert (dash.root / "packages" / "1.5" / "compute").is_dir()


def test_a_late_cleanup_leaves_the_next_task_alone(dash: Host) -> None:
    dash.ok(*STEPS, "rollback", "cleanup")
    dash.task = "t2"
    dash.ok("spec", "push")
    assert dash.call("backup", "backup_1.3_20260101_0002.tar.gz")[0] == 0
    dash.ok("stage")
    dash.task = "t1"
    dash.ok("cleanup")
    dash.task = "t2"
    dash.ok("activate", "verify", "commit", "cleanup")
    assert dash.current() == NEW


@pytest.mark.parametrize("marker", ["activate.mark", "activate.stop.mark", "backup.result", "stage.mark", "spec"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00half"])
def test_a_marker_that_the_disk_lost_never_ends_in_a_lie(dash: Host, marker: str, content: bytes) -> None:
    """The markers are synced before they are renamed; a disk that lies about that may still cut one."""
    old = tree(dash.old)
    dash.ok(*STEPS)
    (dash.state / marker).write_bytes(content)
    code, said = dash.step("rollback")
    assert code in (0, 10, 15, 21), said
    if code == 0:
        assert (dash.link.readlink(), tree(dash.old)) == (Path("releases/1.3"), old)
    else:
        assert dash.current() == NEW


def test_a_damaged_fence_lets_nobody_in(dash: Host) -> None:
    dash.ok("spec")
    for content in ("", "c1", "c1 x\n"):
        (dash.root / ".sysmgr" / "fence").write_text(content)
        code, said = dash.step("push", term=9)
        assert code in (11, 15), said


def test_inspect_tells_what_the_host_is(host: Host) -> None:
    (host.root / "a\nservice evil 9").mkdir()
    host.ok(*STEPS)
    said = host.call("inspect")[1].splitlines()
    assert {"protocol 2", "writable yes", "service storage 1.5", "marker verify done"} <= set(said)
    assert not [line for line in said if line.startswith("missing") or "evil" in line]
    assert int(next(line for line in said if line.startswith("free_kb")).split()[1]) > 0
