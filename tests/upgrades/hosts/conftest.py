"""What tests of hosts share: a leader whose lease is long, and hosts in folders or behind a real sshd."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster, Host, LeaderLease
from tests.cluster.conftest import lay_out, roots
from tests.sshd import SshHost, sshd_hosts
from upgrades.hosts import sweeping

__all__ = ["roots"]


@pytest.fixture(autouse=True)
def differences_are_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment between two looks at a host that differs is long for a test."""
    monkeypatch.setattr(sweeping, "AGAIN_SECONDS", 0.0)


@pytest.fixture
def led(roots: Path, api: Client, term: int) -> Client:
    """An administrator's client; the test leads, for longer than a slow machine may take."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))
    return api


@pytest.fixture
def sshd(led: Client, tmp_path: Path) -> Iterator[SshHost]:
    """A host behind a real sshd that runs storage 1.3; the manager's key is made in the test's data directory."""
    with sshd_hosts(1, tmp_path / "ssh") as (host,):
        lay_out(host.root, storage="1.3")
        yield host


@pytest.fixture
def unpinned(sshd: SshHost, cluster: Cluster) -> SshHost:
    """The same host, stored without a key and with services that nobody asked about yet."""
    row = Host.objects.create(cluster=cluster, **{**sshd.row(), "host_key": ""})
    for service in ("storage", "compute"):
        row.services.create(service_type=service, unmanaged=True)
    return sshd
