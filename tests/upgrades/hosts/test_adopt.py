"""Adopting what somebody else installed: copied as it is, moved never, refused by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster, Host, HostService
from sysmgr.audit.models import AuditRow
from tests.cluster.calls import post, told
from tests.upgrades.agent.host import tree
from upgrades.models import HostHold, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
IP = "192.0.2.1"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An installation, with modes and links of its own."""
    folder = tmp_path / "opt" / "my storage"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "storaged").write_bytes(b"#!/bin/sh\necho own\n")
    (folder / "bin" / "storaged").chmod(0o750)
    (folder / "etc").mkdir(mode=0o700)
    (folder / "etc" / "a b.conf").write_text("x" * 5000)
    (folder / "link").symlink_to("bin/storaged")
    (folder / "out").symlink_to("/etc/hostname")
    return folder


@pytest.fixture
def host(led: Client, cluster: Cluster, roots: Path) -> Path:
    """A host that runs storage, installed by somebody else; its folder."""
    root = roots / "a"
    root.mkdir()
    row = Host.objects.create(cluster=cluster, host_ip=IP, transport="local", root=str(root))
    row.services.create(service_type="storage", unmanaged=True)
    return root


def adopt(client: Client, source: Path | str, **more: Any) -> Any:
    body = {"host_ip": IP, "service_type": "storage", "source_path": str(source), "version": "1.3", **more}
    return post(client, "host/adopt", body)


def test_a_dry_run_tells_and_an_adoption_copies(led: Client, host: Path, source: Path) -> None:
    before = tree(source)
    dry = adopt(led, source, dry_run=True)
    assert dry.status_code == 200, dry.content
    seen = dry.json()["data"]
    assert (seen["dry_run"], seen["files"], seen["links"]) == (True, 2, 2) and seen["bytes"] >= 5000
    assert not (host / "storage").exists()
    assert HostService.objects.get().unmanaged
    done = adopt(led, source).json()["data"]
    assert done["services"] == [{"service_type": "storage", "version": "1.3", "unmanaged": False, "catch_up": ""}]
    assert (done["dry_run"], done["files"], done["bytes"]) == (False, 2, seen["bytes"])
    assert any(str(source) in step["message"] and str(host) in step["message_cn"] for step in done["steps"])
    assert tree(source) == before
    assert tree(host / "storage" / "releases" / "1.3") == before
    assert (host / "storage" / "current").readlink() == Path("releases/1.3")
    assert [entry.name for entry in (host / "storage" / "releases").iterdir()] == ["1.3"]
    row = AuditRow.objects.filter(action="host.adopt", result="success").get()
    assert [entry["path"] for entry in row.changes] == ["storage.version", "source_path"]
    assert told(adopt(led, source)) == (409, 4089, "service_type")


def test_what_was_done_on_the_host_is_found_again(led: Client, host: Path, source: Path) -> None:
    """The answer got lost, or the manager died before it stored it."""
    adopt(led, source)
    HostService.objects.update(version="", unmanaged=True)
    assert adopt(led, source).status_code == 200
    assert HostService.objects.get().version == "1.3"
    HostService.objects.update(version="", unmanaged=True)
    (host / "storage" / "current").unlink()  # killed between the copy and the link
    assert adopt(led, source).status_code == 200
    HostService.objects.update(version="", unmanaged=True)
    (host / "storage" / "current").unlink()
    (host / "storage" / "releases" / "1.3" / "bin" / "storaged").write_text("half")
    assert adopt(led, source).status_code == 200
    assert tree(host / "storage" / "releases" / "1.3") == tree(source)


def test_what_is_refused_leaves_everything_alone(led: Client, host: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (host / "inside").mkdir()
    (tmp_path / "self").symlink_to(host)
    for wrong in (
        tmp_path / "missing",
        tmp_path / "file",
        host,
        host / "inside",
        host.parent,
        tmp_path / "self",
        "/",
        f"{source}/../../{host.name}",
    ):
        answer = adopt(led, wrong)
        assert told(answer) == (409, 4089, "source_path"), (wrong, answer.json())
    os.mkfifo(source / "pipe")
    odd = adopt(led, source)
    assert told(odd) == (409, 4089, "source_path") and "pipe" in odd.json()["message"]
    (source / "pipe").unlink()
    (host / "storage" / "releases" / "1.3").mkdir(parents=True)
    assert told(adopt(led, source)) == (409, 4089, "source_path")
    (host / "storage" / "current").symlink_to("releases/1.3")
    assert told(adopt(led, source, version="1.4")) == (409, 4089, "source_path")
    # What was tried stands in the audit: it may have left a part of a copy behind.
    row = AuditRow.objects.filter(action="host.adopt").latest("seq")
    assert (row.result, row.changes[0]["to"]) == ("AdoptRefused", str(source))
    assert HostService.objects.get().unmanaged
    assert [entry.name for entry in (host / "storage" / "releases").iterdir()] == ["1.3"]


def test_wrong_input_and_held_hosts(led: Client, host: Path, source: Path) -> None:
    for change, desc in (
        ({"source_path": "opt"}, "source_path"),
        ({"source_path": ""}, "source_path"),
        ({"version": "not a version"}, "version"),
        ({"version": "../1"}, "version"),
        ({"service_type": "network"}, "service_type"),
        ({"service_type": "cloud"}, "service_type"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"more": 1}, "more"),
    ):
        assert told(adopt(led, source, **change)) == (400, 10001, desc), change
    assert told(adopt(led, source, host_ip="192.0.2.9")) == (404, 2002, "host_ip")
    HostHold.objects.create(host=Host.objects.get(), run=UpgradeRun.objects.create(cluster=Cluster.objects.get()))
    assert told(adopt(led, source)) == (409, 2008, "host_ip")
    assert not (host / ".sysmgr").exists()
