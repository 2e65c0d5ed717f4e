"""Only what a host lacks travels: what is taken from where, what a cut push left, and what is not believed."""

from __future__ import annotations

import hashlib
import io
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import SHELLS, STEPS, Host, tools
from .mounts import fill, small_disk

AFTER = STEPS[STEPS.index("backup") :]
BIG = random.Random(2).randbytes(300_000)
OLD = {"lib/a": b"a\n", "lib/b": b"b\n", "lib/deep/c": b"c\n", "moved/d": b"d\n", "same": b"twice\n", "big": BIG}
NEW = {
    "lib/a": (b"a\n", 0o644),  # as it was
    "lib/b": (b"other b\n", 0o644),  # changed
    "lib/deep/c": (b"c\n", 0o755),  # another mode
    "lib/d": (b"d\n", 0o644),  # moved
    "renamed": (b"c\n", 0o644),  # under another name
    "again": (b"twice\n", 0o644),
    "same": (b"twice\n", 0o644),
    "big": (BIG[::-1], 0o644),
}


@pytest.fixture
def delta(host: Host) -> Host:
    """A host of each shell whose new release shares files with the one that runs."""
    return Host(host.root.parent / "b host", host.shell, path=host.path, old_files=OLD, new_files=NEW)


def lacks(host: Host) -> list[str]:
    """Ask what the host lacks; return the answer's lines."""
    code, said = host.step("need")
    assert code == 0, (said, host.log())
    return said.splitlines()


def stream(host: Host, *wanted: int, rests: dict[int, int] | None = None) -> bytes:
    """Return a payload of these files of the spec only, or of what follows their first bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for place, offset in {**dict.fromkeys(wanted, 0), **(rests or {})}.items():
            name, (content, _) = list(host.new_files.items())[place - 1]
            member = tarfile.TarInfo(f"%rest/{place}.{offset}" if offset else name)
            member.size = len(content) - offset
            archive.addfile(member, io.BytesIO(content[offset:]))
    return out.getvalue()


def part(host: Host, task: str = "t1") -> Path:
    return host.root / "packages" / "1.5" / f".storage.{task}"


def done(host: Host) -> None:
    """Go on to the end: the new release is whole, and nothing is left."""
    host.ok(*AFTER, "commit", "cleanup")
    assert host.current() == {name: content for name, (content, _) in host.new_files.items()}
    assert host.leftovers() == []


def test_what_the_running_release_has_does_not_travel(delta: Host) -> None:
    delta.ok("spec")
    for _ in range(2):
        assert lacks(delta) == ["need 2 8", f"bytes {8 + len(BIG)}"]
    assert delta.call("push", stdin=stream(delta, 2, 8))[0] == 0, delta.log()
    assert lacks(delta) == ["need", "bytes 0"]
    assert delta.call("push")[0] == 0, "nothing lacks, nothing comes, and the push is proven all the same"
    done(delta)


def test_a_push_that_was_cut_goes_on_in_the_middle_of_a_file(delta: Host) -> None:
    delta.ok("spec")
    lacks(delta)
    whole = stream(delta, 2, 8)
    assert delta.call("push", stdin=whole[: 1024 + 512 + 200_000])[0] in (15, 17)
    need, have, size = lacks(delta)
    place, there = map(int, have.split()[1:])
    assert (need, place, size) == ("need 8", 8, f"bytes {len(BIG) - there}")
    assert 180_000 < there <= 200_000
    rest = stream(delta, rests={8: there})
    assert len(rest) < 130_000
    assert delta.call("push", stdin=rest[:50_000])[0] in (15, 17), "cut once more"
    later = int(lacks(delta)[1].split()[2])
    assert there < later <= there + 50_000
    assert delta.call("push", stdin=stream(delta, rests={8: later})) == (0, delta.step("push")[1])
    done(delta)


def test_a_wrong_beginning_is_forgotten_and_the_file_comes_whole(delta: Host) -> None:
    delta.ok("spec")
    lacks(delta)
    (part(delta) / "big").write_bytes(b"x" * 1000)
    assert lacks(delta)[1] == "have 8 1000"
    assert delta.call("push", stdin=stream(delta, 2, rests={8: 1000}))[0] == 17
    assert lacks(delta) == ["need 8", f"bytes {len(BIG)}"]
    assert delta.call("push", stdin=stream(delta, 8))[0] == 0
    done(delta)


@pytest.mark.parametrize("finished", [False, True])
def test_another_try_goes_on_with_what_an_earlier_one_left(delta: Host, finished: bool) -> None:
    delta.ok("spec", "need")
    if finished:
        assert delta.step("push")[0] == 0
    else:
        delta.call("push", stdin=stream(delta, 2, 8)[:-200_000])
    (delta.root / "packages" / "1.4" / ".storage.t0").mkdir(parents=True)
    delta.task = "t2"
    delta.ok("spec")
    answer = lacks(delta)
    if finished:
        assert answer == ["need", "bytes 0"]
        assert delta.call("push", stdin=stream(delta))[0] == 0, delta.log()
    else:
        there = int(answer[1].split()[2])
        assert answer[0] == "need 8" and there > 50_000
        assert delta.call("push", stdin=stream(delta, rests={8: there}))[0] == 0, delta.log()
    assert not (delta.root / "packages" / "1.4").exists()
    done(delta)


def test_another_version_that_was_pushed_lends_its_files(delta: Host) -> None:
    lent = delta.root / "packages" / "1.4" / "storage"
    lent.mkdir(parents=True)
    (lent / "large").write_bytes(BIG[::-1])
    (delta.root / "packages" / "1.4" / "compute").mkdir()
    (delta.root / "packages" / "1.4" / "compute" / "b").write_bytes(b"other b\n")
    delta.ok("spec")
    assert lacks(delta)[0] == "need 2"
    assert (lent / "large").read_bytes() == BIG[::-1]


@pytest.mark.parametrize("top", ["lib-1", "lib-2"])
def test_a_whole_tree_is_copied_by_a_few_commands(host: Host, tmp_path: Path, top: str) -> None:
    """Also one that lies below another folder in the new release."""
    count, names = tmp_path / "count", [f"x/d{number}/f" for number in range(150)]
    old = {f"lib-1/{name}": name.encode() for name in names}
    other = Host(host.root.parent / "b host", host.shell, path=host.path, old_files=old)
    other.new_files = {f"{top}/{name}": (name.encode(), 0o644) for name in names}
    (tmp_path / "shims").mkdir()
    for tool in ("cp", "tar"):
        shim = tmp_path / "shims" / tool
        shim.write_text(f'#!/bin/sh\necho >>{count}\nPATH={host.path}\nexec {tool} "$@"\n')
        shim.chmod(0o755)
    other.path = f"{tmp_path / 'shims'}:{host.path}"
    other.ok("spec")
    assert lacks(other) == ["need", "bytes 0"]
    assert len(count.read_text()) <= 4
    assert other.call("push", stdin=stream(other))[0] == 0, other.log()
    done(other)


@pytest.mark.parametrize("odd", ["link", "folder link", "pipe", "blank", "break"])
def test_odd_things_in_the_running_release_are_no_source(delta: Host, odd: str) -> None:
    """What they lead to may be anybody's."""
    secret = delta.root.parent / "secret"
    secret.mkdir()
    (secret / "big").write_bytes(BIG[::-1])
    match odd:
        case "link":
            (delta.old / "x").symlink_to(secret / "big")
        case "folder link":
            (delta.old / "x").symlink_to(secret)
        case "pipe":
            os.mkfifo(delta.old / "x")
        case "blank":
            (delta.old / "a  $(touch pwned) b").write_bytes(BIG[::-1])
        case "break":
            (delta.old / "a\nlib").mkdir()
            (delta.old / "a\nlib" / "x").write_bytes(BIG[::-1])
    delta.ok("spec")
    assert lacks(delta)[0] == "need 2 8"
    assert not list(delta.root.parent.rglob("pwned"))


@pytest.mark.parametrize("odd", ["link", "folder link", "pipe", "more", "folder", "part link"])
def test_odd_things_in_the_part_are_not_believed(delta: Host, odd: str, tmp_path: Path) -> None:
    delta.ok("spec", "need")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big").write_bytes(b"theirs")
    big = part(delta) / "big"
    match odd:
        case "link":
            big.symlink_to(outside / "big")
        case "folder link":
            (part(delta) / "lib").rename(tmp_path / "lib")
            (part(delta) / "lib").symlink_to(tmp_path / "lib")
        case "pipe":
            os.mkfifo(big)
        case "more":
            (part(delta) / "a\nbig").write_bytes(b"more")
        case "folder":
            big.mkdir()
        case "part link":
            part(delta).rename(tmp_path / "part")
            part(delta).symlink_to(tmp_path / "part")
    assert lacks(delta)[0] == "need 2 8"
    assert delta.call("push", stdin=stream(delta, 2, 8))[0] == 0, delta.log()
    assert (outside / "big").read_bytes() == b"theirs"
    done(delta)


def test_a_source_that_changes_while_it_is_read_is_not_believed(dash: Host, tmp_path: Path) -> None:
    """The copy is hashed, not the source."""
    (tmp_path / "shims").mkdir()
    cp = tmp_path / "shims" / "cp"
    cp.write_text(f'#!/bin/sh\necho spoilt >"{dash.root}/storage/current/same"\nexec /bin/cp "$@"\n')
    cp.chmod(0o755)
    host = Host(tmp_path / "b", dash.shell, path=f"{cp.parent}:{dash.path}", old_files=OLD, new_files=NEW)
    cp.write_text(cp.read_text().replace(str(dash.root), str(host.root)))
    host.ok("spec")
    assert lacks(host)[0].split()[1:] == ["2", "6-8"]


def test_the_answer_stays_small_with_very_many_files(dash: Host) -> None:
    """40,000 ranges would not fit: the last range runs to the end."""
    files = [f"F 0644 {hashlib.sha256(b'%d' % (i % 2)).hexdigest()} 1 d{i // 500}/f{i}" for i in range(80_000)]
    (dash.old / "zero").write_bytes(b"0")
    for number in range(0, 80_000, 2):
        folder = dash.root / "packages" / "1.5" / ".storage.t1" / f"d{number // 500}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(b"0")
    assert dash.call("spec", stdin="\n".join(["from 1.3", "version 1.5", *files, ".\n"]).encode())[0] == 0
    code, said = dash.call("need")
    need = said.splitlines()[0].split()
    assert (code, need[1:3], need[-1]) == (0, ["2", "4"], "30002-80000")
    assert len(said) < 200_000


@pytest.mark.parametrize("left", [0, 100, 300, 500])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_full_disk_is_told_and_made_free(shell: str, left: int, tmp_path: Path) -> None:
    """What was copied so far goes: the service that runs needs the room more."""
    for disk in _disk(tmp_path / "disk"):
        host = Host(disk / "host", SHELLS[shell], path=tools(shell, tmp_path / "applets"), old_files=OLD, new_files=NEW)
        host.new_files = {**NEW, "big": (BIG, 0o644), "more": (BIG[:-1], 0o644)}
        host.ok("spec")
        filler = fill(disk, left)
        code, said = host.step("need")
        assert (code, left > 300) == (0, True) or (code, said.split()[1]) == (14, "no_space"), (said, host.log())
        if code == 0:
            assert host.call("push", stdin=stream(host, 2, 9))[0] == 14
        assert not part(host).exists()
        filler.unlink()
        host.ok("need", "push")
        done(host)


def _disk(folder: Path) -> Iterator[Path]:
    with small_disk(folder, 8192) as disk:
        yield disk
