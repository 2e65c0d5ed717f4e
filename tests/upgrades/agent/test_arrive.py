"""Large files are hashed and synced while they arrive: what is cut, wrong or killed counts no more than before."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import SHELLS, Host, tools
from .kills import processes_in
from .mounts import fill, small_disk
from .test_need import done, lacks, part, stream

MIB = 1024 * 1024
BIG, NEXT = random.Random(3).randbytes(25 * MIB + 12_345), random.Random(4).randbytes(9 * MIB)
NEW = {"a/small": (b"s\n", 0o644), "a/big": (BIG, 0o644), "bin/next": (NEXT, 0o755), "z": (b"z\n", 0o644)}


@pytest.fixture
def large(host: Host) -> Host:
    """A host of each shell, and a payload of two large files and two small ones."""
    host.new_files = dict(NEW)
    host.ok("spec", "need")
    return host


def came(host: Host) -> set[str]:
    """Return the names of the files whose digests were right when the stream ended."""
    return {line.split("  ./")[1] for line in (host.state / ".came").read_text().splitlines()}


@contextlib.contextmanager
def pushing(host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """Begin a push that reads what the test writes."""
    process = subprocess.Popen(
        host.command("push"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=host.environment(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)


def pour(process: subprocess.Popen[bytes], data: bytes, pause: float = 0.0) -> None:
    assert process.stdin is not None
    for at in range(0, len(data), MIB):
        process.stdin.write(data[at : at + MIB])
        process.stdin.flush()
        time.sleep(pause)


@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_large_files_are_known_when_the_stream_ends(large: Host, pause: float) -> None:
    with pushing(large) as process:
        pour(process, large.payload(), pause)
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"bytes %d\n" % sum(len(content) for content, _ in NEW.values()))
    assert came(large) == {"a/big", "bin/next"}
    done(large)


def test_a_cut_stream_goes_on_where_it_was_cut(large: Host) -> None:
    assert large.call("push", stdin=large.payload()[: 20 * MIB])[0] in (15, 17)
    assert came(large) == set()
    need, have, size = lacks(large)
    there = int(have.split()[2])
    assert (need, size) == ("need 2-4", f"bytes {len(BIG) - there + len(NEXT) + 2}")
    assert 19 * MIB < there <= 20 * MIB
    assert large.call("push", stdin=stream(large, 3, 4, rests={2: there}))[0] == 0, large.log()
    assert came(large) == {"bin/next"}
    done(large)


@pytest.mark.parametrize("name", ["a/big", "bin/next"])
def test_a_byte_that_changed_on_the_way_is_noticed(large: Host, name: str) -> None:
    content = NEW[name][0]
    right, place = large.payload(), list(NEW).index(name) + 1
    wrong = right.replace(content, content[:-1] + bytes([content[-1] ^ 1]))
    assert large.call("push", stdin=wrong)[0] == 17
    assert name not in came(large)
    assert lacks(large)[0] == f"need {place}"
    assert large.call("push", stdin=stream(large, place))[0] == 0, large.log()
    done(large)


@pytest.mark.parametrize("openssl", ["exit 1", "echo nonsense", 'exec sha256sum "$@"'])
def test_an_openssl_that_answers_oddly_is_not_asked(dash: Host, tmp_path: Path, openssl: str) -> None:
    (tmp_path / "shims").mkdir()
    (tmp_path / "shims" / "openssl").write_text(f"#!/bin/sh\n{openssl}\n")
    (tmp_path / "shims" / "openssl").chmod(0o755)
    dash.path, dash.new_files = f"{tmp_path / 'shims'}:{dash.path}", dict(NEW)
    dash.ok("spec", "need", "push")
    assert came(dash) == {"a/big", "bin/next"}
    done(dash)


def test_a_digest_that_was_wrong_on_the_way_only_costs_another_look(dash: Host, tmp_path: Path) -> None:
    """What follows the file may fail; then the file is hashed as all others are."""
    (tmp_path / "shims").mkdir()
    for tool in ("dd", "tail"):
        (tmp_path / "shims" / tool).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "shims" / tool).chmod(0o755)
    dash.new_files = dict(NEW)
    dash.ok("spec", "need")
    path, dash.path = dash.path, f"{tmp_path / 'shims'}:{dash.path}"
    dash.ok("push")
    assert came(dash) == set()
    dash.path = path
    done(dash)


def test_a_script_that_is_killed_leaves_the_host_to_the_next_one(large: Host) -> None:
    """Its children end with the stream, and only then another step begins."""
    payload = large.payload()
    with pushing(large) as process:
        pour(process, payload[: 22 * MIB])
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
        large.lock_seconds = 1
        assert large.call("need")[0] == 13, "what unpacks holds the lock"
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        large.lock_seconds = 20
        assert lacks(large)[0] == "need 2-4"
    assert large.call("push", stdin=payload, term=6)[0] == 0, large.log()
    assert processes_in(large.root) == {}
    large.ok("backup", "stage", "activate", "verify", "commit", "cleanup", term=6)
    assert large.leftovers() == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_full_disk_is_told_while_a_large_file_arrives(shell: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 160 * 1024) as disk:
        host = Host(disk / "host", SHELLS[shell], path=tools(shell, tmp_path / "applets"), new_files=dict(NEW))
        host.ok("spec", "need")
        filler = fill(disk, 20 * 1024)
        code, said = host.step("push")
        assert (code, said.split()[1]) == (14, "no_space"), (said, host.log())
        assert not part(host).exists()
        filler.unlink()
        host.ok("need", "push")
        assert hashlib.sha256((disk / "host/packages/1.5/storage/a/big").read_bytes()).digest() == (
            hashlib.sha256(BIG).digest()
        )
