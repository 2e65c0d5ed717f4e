"""What is kept of each step: times, bytes, what a failed one said; and what is tried again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.events.models import Event
from upgrades.engine.journal import Journal
from upgrades.engine.task import Task
from upgrades.engine.watch import MOST_WAITING, Watch
from upgrades.models import StepLog

from .drive import ask, broken_package, drive, states

pytestmark = pytest.mark.django_db(transaction=True)
PAYLOAD_STEPS = ["spec", "need", "push"]
SAYS = '[services.compute.commands.health]\nargv = ["sh", "-c", "echo token=hunter2 is wrong; exit 3"]\nseconds = 1\n'


def test_each_step_leaves_a_row_with_its_time_and_bytes(demo_cluster: Cluster, term: int) -> None:
    before = timezone.now()
    run = drive(ask(demo_cluster, "storage"), term)
    item = run.items.get()
    logs = list(StepLog.objects.order_by("pk"))
    steps = [log.step for log in logs]
    assert steps[:3] == PAYLOAD_STEPS and steps[-2:] == ["commit", "cleanup"]
    assert [step for step in steps if step in ("backup", "stage", "activate", "verify")] == [
        "backup",
        "stage",
        "activate",
        "verify",
    ]
    assert {(log.item_id, log.task, log.code, log.text) for log in logs} == {(item.pk, item.task, 0, "")}
    assert all(log.seconds > 0 and before < log.begin_time < timezone.now() for log in logs)
    push = next(log for log in logs if log.step == "push")
    assert push.sent == item.sent > 0 and item.payload_bytes > 0
    assert item.begin_time and item.end_time and before < item.begin_time < item.end_time
    assert (item.reason, item.definite) == ("", False)


def test_events_tell_what_led_there(demo_cluster: Cluster, term: int) -> None:
    run = drive(ask(demo_cluster, "storage"), term)
    events = {event.kind: event.data for event in Event.objects.filter(subject=run.pk)}
    pushed = events["upgrade.item.backing_up"]
    assert (pushed["step"], pushed["bytes"]) == ("push", run.items.get().sent)
    assert pushed["rate"] > 0 and pushed["seconds"] > 0
    assert (events["upgrade.item.staging"]["step"], events["upgrade.item.staging"]["bytes"]) == ("backup", 0)
    assert "step" not in events["upgrade.item.pushing"]


def test_a_failed_step_keeps_what_it_said_without_secrets(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", SAYS)
    run = drive(ask(demo_cluster, "compute", version="2.0"), term)
    item = run.items.get()
    assert (item.state, item.reason, item.definite) == ("rolled_back", "hook_failed", False)
    assert item.message.startswith("The step verify failed") and "The step's log shows" in item.message
    log = StepLog.objects.get(code__gt=0)
    assert (log.step, log.code) == ("verify", 18)
    assert log.text.startswith("hook_failed health says no\n") and "hook health: exit 3" in log.text
    assert "hunter2" not in log.text and "token=******** is wrong" in log.text
    event = Event.objects.get(kind="upgrade.item.rolling_back")
    assert (event.data["reason"], event.data["step"]) == ("hook_failed", "verify")


def test_logs_that_cannot_be_written_change_nothing(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(Journal, "watched", gone)
    run = drive(ask(demo_cluster, "storage"), term)
    assert (run.state, states(run)) == ("succeeded", ["committed"])


def test_steps_cost_no_transaction_each(demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written along with the moves, or by the clock; and what waits is bounded."""
    written = list[int]()
    honest = Journal.watched

    def watched(self: Journal, logs: Any, moved: Any) -> None:
        written.append(len(logs))
        honest(self, logs, moved)

    monkeypatch.setattr(Journal, "watched", watched)
    monkeypatch.setattr("upgrades.engine.watch.EVERY_SECONDS", 3600)
    run = drive(ask(demo_cluster, "storage"), term)
    assert sum(written) < StepLog.objects.filter(item__run=run).count() and len(written) == 1

    async def many() -> int:
        watch = Watch(Journal(term))
        for place in range(MOST_WAITING + 10):
            watch.note(StepLog(step=str(place)))
        return len(watch.take())

    assert asyncio.run(many()) == MOST_WAITING


def test_bytes_show_while_they_travel(demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a step that sends nothing leaves the number as it is."""
    seen: list[int] = []
    honest = Journal.watched

    def watched(self: Journal, logs: Any, moved: Any) -> None:
        seen.extend(item.sent for item in moved)
        honest(self, logs, moved)

    async def slow(self: Task, wanted: Any) -> AsyncIterator[bytes]:
        async for block in payload(self, wanted):
            yield block
            await asyncio.sleep(0.2)

    payload = Task._payload
    monkeypatch.setattr(Task, "_payload", slow)
    monkeypatch.setattr(Journal, "watched", watched)
    monkeypatch.setattr("upgrades.engine.watch.EVERY_SECONDS", 0.05)
    item = drive(ask(demo_cluster, "storage"), term).items.get()
    assert seen == sorted(set(seen)) and seen[-1] == item.sent > 0
