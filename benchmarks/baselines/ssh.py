"""What upgrades over SSH are compared with: the same calls of the same script, by plain ssh and by Ansible."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

OLD, NEW, SERVICE = "1.0", "2.0", "compute"
CLUSTER = "00000000-0000-4000-8000-000000000001"
BACKUP = f"backup_{OLD}_20260101_0000.tar.gz"
STEPS = ("spec", "need", "push", "backup", "stage", "activate", "verify", "commit", "cleanup")


def parts(folder: Path) -> dict[str, Path]:
    """Write what the steps read: script, spec and payload."""
    from upgrades import agent

    payload = folder / "payload.tar"
    files = sorted((folder / "source" / SERVICE).iterdir())
    with tarfile.open(payload, "w") as archive:
        for file in files:
            archive.add(file, file.name)
    lines = [f"from {OLD}", f"version {NEW}"]
    for file in files:
        digest = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
        lines.append(f"F 0644 {digest} {file.stat().st_size} {file.name}")
    (folder / "spec").write_text("\n".join([*lines, ".", ""]))
    (folder / "agent").write_bytes(agent.script())
    return {"agent": folder / "agent", "spec": folder / "spec", "push": payload}


def call(root: Path, step: str, task: str) -> str:
    """Return the command of one step."""
    words = ["sh", f"{root}/.sysmgr/agent", step, CLUSTER, "1", task, SERVICE]
    return " ".join([*words, BACKUP] if step == "backup" else words)


def ssh_words(host: Any, key: Path) -> list[str]:
    """Return how `ssh` reaches a host, its key pinned."""
    known = host.folder / "known_hosts"
    known.write_text(f"[{host.host_ip}]:{host.port} {host.host_key}\n")
    options = ["-F", "none", "-i", key, "-p", host.port, "-o", f"UserKnownHostsFile={known}"]
    options += ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
    return ["ssh", *map(str, options), f"{host.user}@{host.host_ip}"]


def plain(folder: Path, hosts: list[Any], key: Path) -> tuple[float, float]:
    """Upgrade all hosts side by side, one ssh each with all steps as one script; return the seconds, and those of
    processor time that the clients took."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, path in parts(folder).items():
            archive.add(path, name)
    bundle = buffer.getvalue()

    def one(host: Any) -> None:
        root, task = host.root, "plain"
        lines = ["set -e", f"mkdir -p -m 700 {root}/.sysmgr/in", f"cd {root}/.sysmgr/in", "tar -xf -", "mv agent .."]
        for step in ("fence", "inspect", *STEPS):
            given = f" <{step}" if step in ("spec", "push") else " </dev/null"
            lines.append(call(root, step, task if step in STEPS else "-") + given)
        script = "; ".join(lines)
        subprocess.run(
            [*ssh_words(host, key), script], input=bundle, stdout=subprocess.DEVNULL, check=True, timeout=300
        )

    begun, cpu = time.monotonic(), _children()
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(one, hosts))
    return time.monotonic() - begun, _children() - cpu


def _children() -> float:
    """Return the processor time of the programs that this process has run and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ansible(folder: Path, hosts: list[Any], key: Path) -> float:
    """Upgrade all hosts by a playbook with one task a step; return the seconds."""
    given, task = parts(folder), "ansible"
    copies = [
        {
            "ansible.builtin.copy": {
                "src": str(path),
                "dest": "{{ root }}/.sysmgr/" + ("agent" if name == "agent" else f"in-{name}"),
            }
        }
        for name, path in given.items()
    ]
    steps = []
    for step in ("fence", "inspect", *STEPS):
        command = call(Path("{{ root }}"), step, task if step in STEPS else "-")
        read = "{{ root }}/.sysmgr/in-" + step if step in ("spec", "push") else "/dev/null"
        steps.append({"ansible.builtin.shell": f"{command} <{read}"})
    made = {"ansible.builtin.file": {"path": "{{ root }}/.sysmgr", "state": "directory", "mode": "0700"}}
    play = [{"hosts": "all", "gather_facts": False, "tasks": [made, *copies, *steps]}]
    (folder / "play.json").write_text(json.dumps(play))
    lines = []
    for host in hosts:
        known = ssh_words(host, key) and host.folder / "known_hosts"
        lines.append(
            f"{host.host_ip} ansible_port={host.port} ansible_user={host.user} root={host.root} "
            f"ansible_ssh_private_key_file={key} ansible_python_interpreter={sys.executable} "
            f"ansible_ssh_common_args='-F none -o UserKnownHostsFile={known} -o IdentitiesOnly=yes'"
        )
    (folder / "inventory").write_text("\n".join(lines) + "\n")
    environment = {
        **os.environ,
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_FORKS": str(len(hosts)),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_NOCOLOR": "true",
    }
    program = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "ansible-playbook is missing: make bench installs it"
    begun = time.monotonic()
    done = subprocess.run(
        [program, "-i", folder / "inventory", folder / "play.json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return time.monotonic() - begun


def cat(host: Any, key: Path, source: Path) -> float:
    """Write the files of a folder to a host by `ssh cat`; return the seconds."""
    begun = time.monotonic()
    for file in sorted(source.iterdir()):
        with file.open("rb") as stream:
            command = f"cat >{host.root}/there && sync {host.root}/there"
            subprocess.run([*ssh_words(host, key), command], stdin=stream, check=True, timeout=300)
    return time.monotonic() - begun
