"""Steps over SSH: the script is brought once, each step is one command, streams and output are bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.sshd import SshHost, shell_path, sshd_hosts
from upgrades import agent
from upgrades.transports import ssh_session
from upgrades.transports.base import MAX_OUTPUT, Result, Unreachable
from upgrades.transports.ssh import SshTransport
from upgrades.transports.ssh_connection import Address

from .conftest import stand_in, way

FENCE = ("fence", "c1", "5", "-", "-")


def asked(transport: SshTransport, *words: str, **options: object) -> Result:
    """Run one step, and hang up."""

    async def run() -> Result:
        try:
            return await transport.run(*words, **options)  # type: ignore[arg-type]
        finally:
            await transport.close()

    return asyncio.run(run())


def installed(transport: SshTransport) -> None:
    async def run() -> None:
        try:
            await transport.install()
        finally:
            await transport.close()

    asyncio.run(run())


def test_the_script_is_brought_and_answers(host: SshHost) -> None:
    installed(way(host))
    script = host.root / ".sysmgr" / "agent"
    assert script.read_bytes() == agent.script()
    assert script.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in script.parent.iterdir()] == ["agent"]
    answer = asked(way(host), *FENCE)
    assert (answer.code, answer.values()["fence"]) == (0, "c1 5")


def test_a_script_that_is_there_stays_and_another_one_is_replaced(host: SshHost) -> None:
    installed(way(host))
    script = host.root / ".sysmgr" / "agent"
    inode = script.stat().st_ino
    installed(way(host))
    assert script.stat().st_ino == inode
    script.write_text("an older one")
    installed(way(host))
    assert script.read_bytes() == agent.script()


def test_a_root_that_is_not_there_is_not_made(host: SshHost) -> None:
    host.root.rmdir()
    with pytest.raises(Unreachable, match=r"it's a root is not there"):
        installed(way(host))
    assert not host.root.exists()


def test_a_script_that_comes_cut_is_not_put_in_place(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = agent.script()
    monkeypatch.setattr(agent, "script", lambda: whole + b"#")
    monkeypatch.setattr(SshTransport, "_ask", _cut(SshTransport._ask))
    with pytest.raises(Unreachable, match="can't put the script"):
        installed(way(host))
    assert list((host.root / ".sysmgr").iterdir()) == []


def _cut(ask: object) -> object:
    async def cut(self: SshTransport, step: str, words: tuple[str, ...], stdin: bytes, seconds: float) -> object:
        return await ask(self, step, words, stdin[:-1], seconds)  # type: ignore[operator]

    return cut


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_any_shell_runs_the_steps(tmp_path: Path, shell: str) -> None:
    with sshd_hosts(1, tmp_path, path=shell_path(shell, tmp_path / "applets")) as hosts:
        installed(way(hosts[0]))
        assert asked(way(hosts[0]), *FENCE).code == 0
        stand_in(hosts[0], "readlink /proc/$$/exe\n")
        assert asked(way(hosts[0]), "x").output.strip().rpartition("/")[2] == shell


def test_exit_codes_and_signals_come_back(host: SshHost) -> None:
    stand_in(host, 'echo error no_space "$1"; exit 14')
    assert asked(way(host), "stage") == Result(14, "error no_space stage\n")
    stand_in(host, "kill -TERM $$")
    assert asked(way(host), "stage").code in (-15, 143)


def test_one_connection_serves_all_steps(host: SshHost) -> None:
    stand_in(host, "echo $PPID; echo $SSH_CONNECTION")

    async def ports() -> list[str]:
        transport = way(host)
        said = [(await transport.run("x")).output for _ in range(3)]
        await transport.close()
        said.append((await transport.run("x")).output)
        await transport.close()
        return [text.split()[2] if len(text.split()) > 2 else "" for text in said]

    first, second, third, anew = asyncio.run(ports())
    if host.kind == "openssh":
        assert first == second == third != anew


@pytest.mark.parametrize("word", ["", "a b", "a;id", "$(id)", "a'b", "a\nb", "ü", "*"])
def test_hostile_words_do_not_leave_the_manager(word: str) -> None:
    nowhere = SshTransport(Address("127.0.0.1", 1, "root", ""), "/srv", False)
    with pytest.raises(ValueError, match="not every word"):
        asked(nowhere, "verify", word)


def test_the_managers_environment_stays_here(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_SYSMGR", "secret")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere/agent")
    stand_in(host, "env; tty")
    said = asked(way(host), "x").output
    assert "LC_SYSMGR" not in said
    assert "not a tty" in said


def test_a_flood_of_output_is_cut_and_stderr_is_dropped(host: SshHost) -> None:
    stand_in(host, "yes | head -c 20000000; yes no | head -c 3000000 >&2; echo the end")
    said = asked(way(host), "x", seconds=60).output
    assert len(said) == MAX_OUTPUT
    assert said.endswith("y\nthe end\n")
    assert "no" not in said


def test_a_daemon_that_holds_the_output_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_session, "_GRACE_SECONDS", 0.5)
    with sshd_hosts(1, tmp_path, kind="openssh") as hosts:
        stand_in(hosts[0], "sleep 30 & echo started")
        assert asked(way(hosts[0]), "activate", seconds=20) == Result(0, "started\n")
