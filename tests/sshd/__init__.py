"""Real SSH hosts for tests: an OpenSSH server for each, on an address of 127.0.0.0/8 and a port of its own.

    with sshd_hosts(3, tmp_path) as hosts:
        host = hosts[0]       # host_ip, port, user, root, host_key, and `row()`: what a Host row needs
        host.stop()           # no more connections, those that are open end; what they run goes on
        host.crash()          # as when the machine goes down: with all that runs
        host.start()          # up again: same port, same key
        host.freeze(), host.thaw()   # silent, but connected

Every host lets the key in that the manager would use (upgrades/transports/ssh_key.py), unless `authorized` names
another line. `path` is the PATH of its commands: `shell_path("busybox", folder)` makes `sh` another shell. Without
sshd, or with kind="asyncssh", the hosts are small servers of asyncssh, each a process of its own (server.py).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.requirements import requires
from tests.upgrades.agent.host import tools
from upgrades.transports import ssh_key

SSHD = shutil.which("sshd", path=f"/usr/sbin:/usr/local/sbin:{os.environ['PATH']}")
KINDS = ("openssh", "asyncssh")
_WAIT = 20.0


def shell_path(shell: str, folder: Path) -> str:
    """Return a PATH in which `sh` is dash, bash or busybox; busybox brings its own tools."""
    path = tools(shell, folder)
    if shell != "busybox":
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sh").symlink_to(str(shutil.which(shell)))
        return f"{folder}:{path}"
    return path


@dataclass
class SshHost:
    """One host: its server's process and folder."""

    host_ip: str
    port: int
    folder: Path
    kind: str
    root: Path  # the host's folder, as `Host.root`
    path: str = field(default_factory=lambda: os.environ["PATH"])
    process: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> str:
        """Who logs in: whoever runs the tests."""
        return pwd.getpwuid(os.geteuid()).pw_name

    @property
    def host_key(self) -> str:
        """The host's public key, `<type> <base64>`."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def row(self) -> dict[str, Any]:
        """Return the columns by which a Host row reaches this host."""
        place = {"host_ip": self.host_ip, "transport": "ssh", "root": str(self.root), "host_key": self.host_key}
        return {**place, "ssh_port": self.port, "ssh_user": self.user}

    def new_key(self) -> None:
        """Make a new host key; a start shows it."""
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink(missing_ok=True)
        file = str(self.folder / "host_key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True, timeout=20)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [str(SSHD), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        if self.kind == "asyncssh":
            server = (self.folder, self.host_ip, self.port, self.path)
            command = [sys.executable, "-m", "tests.sshd.server", *map(str, server)]
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _WAIT
        while not self._answers():
            said = (self.folder / "sshd.log").read_text()[-500:]
            assert self.process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.02)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host_ip, self.port), timeout=5) as door:
            return door.recv(4) == b"SSH-"
        return False

    def stop(self) -> None:
        """Kill the server and its connections; what they run goes on."""
        self._signal(signal.SIGKILL)
        self._gone()

    def crash(self) -> None:
        """Kill the server and all that it has started, as when the machine goes down."""
        self._signal(signal.SIGKILL, only_servers=False)
        self._gone()

    def _gone(self) -> None:
        if self.process is not None:
            self.process.wait(timeout=_WAIT)
            self.process = None

    def _signal(self, number: int, *, only_servers: bool = True) -> None:
        for pid in self._tree(only_servers=only_servers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self) -> None:
        """Stop the server and its connections without closing them: the host is silent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _tree(self, *, only_servers: bool) -> list[int]:
        """Return the server's processes, the first one first."""
        found = [self.process.pid] if self.process is not None else []
        for pid in found:
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                found += [int(child) for child in children if not only_servers or _is_server(child)]
        return found


def _is_server(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().startswith("sshd")
    return False


@contextlib.contextmanager
def sshd_hosts(
    count: int, folder: Path, *, kind: str = "", path: str = "", authorized: str = "", root: str = "root"
) -> Iterator[list[SshHost]]:
    """Start `count` hosts below `folder`, each with an empty root; all end with the block."""
    kind = kind or ("openssh" if SSHD else "asyncssh")
    if kind == "openssh" and not SSHD:
        requires("sshd", "apt-get install openssh-server")
    hosts: list[SshHost] = []
    try:
        for number in range(count):
            hosts.append(_made(number, folder / f"ssh-{number}", root, kind, path or os.environ["PATH"], authorized))
            hosts[-1].start()
        yield hosts
    finally:
        for host in hosts:
            host.thaw()
            host.crash()


def _made(number: int, folder: Path, root: str, kind: str, path: str, authorized: str) -> SshHost:
    address = f"127.0.0.{11 + number}"
    host = SshHost(address, _free_port(address), folder, kind, folder / root, path)
    host.root.mkdir(parents=True)
    (host.folder / "authorized_keys").write_text((authorized or ssh_key.public_line()) + "\n")
    host.new_key()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # without it, an sshd of root does not start
    lines = {
        "ListenAddress": f"{address}:{host.port}",
        "HostKey": host.folder / "host_key",
        "AuthorizedKeysFile": host.folder / "authorized_keys",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "yes",
        "MaxStartups": 100,
        # bash reads the user's start-up files for a command that comes by SSH; not where it thinks to be a second one.
        "SetEnv": f'SHLVL=3 "PATH={path}"',
    }
    text = "".join(f"{key} {value}\n" for key, value in lines.items())
    (host.folder / "sshd_config").write_text(text)
    return host


def _free_port(address: str) -> int:
    with socket.socket() as free:
        free.bind((address, 0))
        return int(free.getsockname()[1])
