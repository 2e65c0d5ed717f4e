"""A host that has busybox and nothing else: a root directory of its own, without /proc, bash or coreutils."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.requirements import requires

from .host import NEW, STEPS, Host, tree


def busybox_root(root: Path) -> None:
    """Make a root directory with busybox's applets and a flock that, as busybox's own, knows no -w."""
    for program in ("busybox", "flock"):
        requires(program, f"apt-get install {program}")
        source = str(shutil.which(program))
        target = root / "lib" / "bin" / program
        for file in [source, *_libraries(source)]:
            place = target if file == source else root / file[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    (root / "bin").mkdir()
    for folder in ("tmp", "dev", "etc"):
        (root / folder).mkdir()
    os.mknod(root / "dev" / "null", 0o666 | 0o020000, os.makedev(1, 3))
    os.mknod(root / "dev" / "urandom", 0o666 | 0o020000, os.makedev(1, 9))
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in listed:
        (root / "bin" / applet).symlink_to("/lib/bin/busybox")
    (root / "bin" / "flock").unlink(missing_ok=True)
    (root / "bin" / "flock").write_text('#!/bin/sh\ncase $1 in -[nsux]) exec /lib/bin/flock "$@" ;; esac\nexit 1\n')
    (root / "bin" / "flock").chmod(0o755)


def _libraries(program: str) -> list[str]:
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", said)


class Jailed(Host):
    """A host whose steps run in its root directory only."""

    def command(self, step: str, *words: str, cluster: str = "c1", term: int = 5) -> list[str]:
        agent = "/host/.sysmgr/agent"
        return [*self.shell, agent, step, cluster, str(term), self.task, self.service, *words]


@pytest.fixture
def jailed(tmp_path: Path) -> Host:
    if os.geteuid() != 0:
        pytest.skip("only root can change its root directory")
    jail = tmp_path / "jail"
    busybox_root(jail)
    return Jailed(jail / "host", ["chroot", str(jail), "/bin/sh"])


def test_busybox_alone_is_enough(jailed: Host) -> None:
    start = "H start 5 - bin\nA sh\nA -c\nA pwd >$SYSMGR_ROOT/where\n"
    jailed.hooks = f"H stop 2 - .\nA true\n{start}H health 2 - .\nA true\n"
    said = jailed.call("inspect")[1].splitlines()
    assert not [line for line in said if line.startswith("missing")]
    jailed.ok(*STEPS, "commit", "cleanup")
    assert (jailed.current(), jailed.leftovers()) == (NEW, [])
    assert (jailed.root / "where").read_text() == "/host/storage/releases/1.5/bin\n"


def test_busybox_alone_restores_from_the_backup(jailed: Host) -> None:
    old = tree(jailed.old)
    jailed.ok(*STEPS)
    shutil.rmtree(jailed.old)
    jailed.ok("rollback", "cleanup")
    assert (tree(jailed.old), jailed.leftovers()) == (old, [])


def test_without_proc_a_clock_that_goes_back_ends_the_waiting_all_the_same(jailed: Host) -> None:
    date = jailed.root.parent / "bin" / "date"
    date.unlink()
    date.write_text("#!/bin/sh\nn=$(cat /tmp/n 2>/dev/null || echo 2000000000)\necho $((n - 9000)) | tee /tmp/n\n")
    date.chmod(0o755)
    jailed.hooks = "H status 2 - .\nA false\n"
    jailed.ok("spec", "push", "backup", "stage", "activate")
    assert jailed.step("verify") == (18, "error hook_failed status says no\n")


def test_a_missing_tool_is_told(jailed: Host) -> None:
    (jailed.root.parent / "bin" / "md5sum").unlink()
    assert "missing md5sum" in jailed.call("inspect")[1].splitlines()
