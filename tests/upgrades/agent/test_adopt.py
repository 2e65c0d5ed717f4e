"""The step `adopt` with each shell: whatever kills it, the next call ends with a whole copy or a refusal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .host import SHELLS, Host, tools, tree

pytestmark = pytest.mark.parametrize("shell", SHELLS)


@pytest.fixture
def host(shell: str, tmp_path: Path) -> Host:
    made = Host(tmp_path / "root", SHELLS[shell], path=tools(shell, tmp_path / "tools"), task="-")
    made.service = "cloud"  # beside the storage that it was laid out with
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "opt" / "it's $HOME"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a b").write_bytes(b"\0" * 70000)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o751)
    (folder / "link").symlink_to("/nowhere")
    folder.chmod(0o711)
    return folder


def adopt(host: Host, source: Path, *words: str) -> tuple[int, str]:
    return host.call("adopt", *(words or ("2.0",)), stdin=f"{source}\n.\n".encode())


def test_it_copies_whole_and_says_the_same_again(host: Host, source: Path) -> None:
    before = tree(source)
    code, dry = adopt(host, source, "2.0", "dry")
    assert code == 0 and not (host.root / "cloud").exists(), dry
    code, said = adopt(host, source)
    assert (code, said) == (0, dry)
    assert "files 2\nlinks 1\n" in said
    assert tree(host.root / "cloud" / "current").keys() and tree(host.root / "cloud" / "releases" / "2.0") == before
    assert adopt(host, source) == (0, said)
    assert tree(source) == before
    assert "service cloud 2.0" in host.call("inspect")[1]


def test_a_call_that_was_killed_is_made_good(host: Host, source: Path) -> None:
    command = host.command("adopt", "2.0")
    for millis in range(0, 400, 40):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=host.environment(),
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(f"{source}\n.\n".encode())
        process.stdin.close()
        try:
            process.wait(timeout=millis / 1000)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        current = host.root / "cloud" / "current"
        if current.is_symlink():
            assert tree(host.root / "cloud" / "releases" / "2.0") == tree(source)
    code, said = adopt(host, source)
    assert code == 0, said
    assert tree(host.root / "cloud" / "releases" / "2.0") == tree(source)
    assert [path.name for path in (host.root / "cloud" / "releases").iterdir()] == ["2.0"]


def test_refusals(host: Host, source: Path) -> None:
    assert host.call("adopt", "2.0", stdin=f"{source}\n".encode())[0] == 10
    assert host.call("adopt", "2.0", "wet", stdin=b"/\n.\n")[0] == 10
    assert host.call("adopt", "../2", stdin=b"/\n.\n")[0] == 10
    assert host.call("adopt", "2.0", stdin=b"opt\n.\n")[0] == 25
    assert adopt(host, source, "2.0")[0] == 0
    assert adopt(host, source, "2.1") == (25, "error adopt_refused cloud/current is there already\n")
    (source / "run").write_text("changed")
    assert adopt(host, source)[0] == 0  # it was taken in before; what is current is left alone
    assert host.call("adopt", "2.0", stdin=f"{source}\n.\n".encode(), cluster="c2")[0] == 12
