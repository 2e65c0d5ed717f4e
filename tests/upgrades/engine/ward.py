"""What tests of a service's health share: quick clocks, probes that are programs, packages with commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.models import Cluster
from sysmgr import env
from upgrades.engine import health
from upgrades.health import gate
from upgrades.models import StepLog, UpgradeItem, UpgradeRun

STEPS = ("drain", "activate", "rollback", "commit", "undrain")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a minute here."""
    monkeypatch.setattr(health, "STARTING", 8.0)
    monkeypatch.setattr(health, "LOST_ONE", 0.0)
    monkeypatch.setattr(health, "ROUND", 0.3)
    monkeypatch.setattr(gate, "PATIENCE", 0.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = tmp_path / "probes"
    where.mkdir(mode=0o755)
    monkeypatch.setattr(env, "PROBE_DIR", where)
    return where


def probed(cluster: Cluster, folder: Path, text: str) -> None:
    """Let the cluster ask a program how storage is."""
    (folder / "look").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "look").chmod(0o755)
    cluster.probes = {"storage": {"kind": "command", "name": "look"}}
    cluster.save()


def commands(**texts: str) -> str:
    """Return a manifest's commands for storage, each a line of shell."""
    lines = [
        f'[services.storage.commands.{name}]\nargv = ["sh", "-c", \'{text}\']\nseconds = 2\n'
        for name, text in texts.items()
    ]
    return "".join(lines)


def item(run: UpgradeRun, service: str = "storage") -> UpgradeItem:
    return run.items.get(service_type=service)


def steps(run: UpgradeRun) -> list[str]:
    done = StepLog.objects.filter(item__run=run, step__in=STEPS).order_by("begin_time", "pk")
    return list(done.values_list("step", flat=True))
