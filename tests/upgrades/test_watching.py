"""`upgrade --watch` as an operator types it: lines, JSON, bars; taken up again; exit codes."""

from __future__ import annotations

import json
import time
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rich.console import Console

from cluster.models import Cluster
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from tests.together import at_once
from tests.upgrades.engine.drive import IP, ask, broken_package, drive, go
from upgrades import bars, controls, following, watching
from upgrades.models import UpgradeItem, UpgradeRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("demo_cluster", "term")]
FAILS = '[services.compute.commands.status]\nargv = ["false"]\nseconds = 1\n'


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def watch(*words: str, out: StringIO | None = None) -> tuple[str, int]:
    """Return what the command said, and its exit code."""
    out = out or StringIO()
    try:
        call_command("upgrade", "--watch", *words, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}", error.returncode
    return out.getvalue(), 0


def test_a_run_is_watched_to_its_end(demo_cluster: Cluster, term: int) -> None:
    run = ask(demo_cluster, "storage")
    (told, code), _ = at_once([lambda: watch(str(run.pk)), lambda: go(run, term)])
    assert code == 0
    order = [f"{IP} storage: {state}" for state in ("pushing", "backing_up", "activating", "committed")]
    places = [told.index(line) for line in order]
    assert places == sorted(places)
    assert "(push " in told and " MB at " in told and told.rstrip().endswith(f"upgrade {run.pk}: succeeded")
    # Once more, after the terminal was closed: what became of it.
    again, code = watch()
    assert code == 0 and again.rstrip().endswith(f"upgrade {run.pk}: succeeded")


def test_json_lines_for_programs(demo_cluster: Cluster, term: int) -> None:
    run = ask(demo_cluster, "storage")
    drive(run, term)
    told, code = watch("--json")
    lines = [json.loads(line) for line in told.splitlines()]
    assert code == 0 and lines[0]["event"] == "upgrade.pending"
    assert [line["event"] for line in lines[:-1]].count("upgrade.item.committed") == 1
    assert lines[-1]["run"]["upgrade_uuid"] == str(run.pk) and lines[-1]["run"]["progress"]["ended"] == 1


def test_exit_codes_tell_what_became(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", FAILS)
    run = drive(ask(demo_cluster, "compute", "storage", version="2.0"), term)
    told, code = watch()
    assert (run.state, code) == ("paused", 3) and "is paused" in told and "upgrade/retry" in told
    controls.cancel(demo_cluster, run.pk, SYSTEM)
    drive(run, term)
    told, code = watch(str(run.pk))
    assert code == 1 and "cancelled" in told
    assert (told, code) == watch(str(run.pk), "--cluster", str(demo_cluster.pk))


def test_ctrl_c_ends_the_watching_only(demo_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ask(demo_cluster, "storage")

    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("upgrades.watching.time.sleep", pressed)
    told, code = watch()
    assert code == 130 and f"upgrade --watch {run.pk}" in told
    run.refresh_from_db()
    assert run.state == "pending"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "no such upgrade"),
        ((str(uuid4()),), "no such upgrade"),
        (("nonsense",), "invalid run_uuid value"),
        ((str(uuid4()), IP, "storage"), "starts nothing"),
    ],
)
def test_what_cannot_be_watched_is_one_clear_error(words: tuple[str, ...], told: str) -> None:
    said, code = watch(*words)
    assert code == 1 and told in said


def test_a_terminal_shows_bars(demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    run = drive(ask(demo_cluster, "storage"), term)
    told, code = watch(str(run.pk), out=Terminal())
    assert code == 0 and "upgrade succeeded" in told and "━" in told and f"{IP} storage" in told


def look_at(demo_cluster: Cluster, states: list[str], **more: Any) -> following.Look:
    run = UpgradeRun(cluster=demo_cluster, state="running")
    items = [
        UpgradeItem(run=run, ordinal=place, host_ip=f"10.0.0.{place}", service_type="compute", state=state, **more)
        for place, state in enumerate(states)
    ]
    return following.Look(run, items, [], 600, 2e6)


def drawn(look: following.Look, height: int) -> list[str]:
    console = Console(file=StringIO(), width=120, height=height, color_system=None)
    with console.capture() as capture:
        console.print(bars.screen(look, height))
    return capture.get().splitlines()


def test_a_screen_holds_any_number_of_hosts(demo_cluster: Cluster) -> None:
    states = ["committed"] * 500 + ["failed"] * 2 + ["activating"] * 10 + ["pending"] * 488
    lines = drawn(look_at(demo_cluster, states), 24)
    assert len(lines) <= 24
    assert "upgrade running" in lines[0] and "502/1000" in lines[0] and "about 10 min left" in lines[0]
    assert sum("failed" in line for line in lines[1:-1]) == 2 and sum("activating" in line for line in lines) == 10
    assert lines[-1].strip() == "and 988 more: 488 pending, 500 committed"
    many = drawn(look_at(demo_cluster, ["activating"] * 500 + ["failed"] * 500), 24)
    assert len(many) <= 24 and "more: " in many[-1]
    assert sum("failed" in line for line in many[:-1]) == 9  # neither hides the other
    few = drawn(look_at(demo_cluster, ["pushing", "committed"], payload_bytes=4_000_000, sent=1_000_000), 24)
    assert "pushing 25 %" in few[1] and "2.0 of 8.0 MB, 2.0 MB/s" in few[0] and len(few) == 3


def test_lines_say_now_and_then_how_far_it_is(demo_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_SAY_SECONDS", 0.0)
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.05)
    run = ask(demo_cluster, "storage")

    def end() -> None:
        time.sleep(1)
        UpgradeRun.objects.filter(pk=run.pk).update(state="cancelled", end_time=timezone.now())

    (told, code), _ = at_once([lambda: watch(str(run.pk)), end])
    assert code == 1 and "pending: 0/1, 0.0 of " in told


def test_events_that_commit_out_of_order_are_told_once_each(demo_cluster: Cluster) -> None:
    run = ask(demo_cluster, "storage")
    follow = following.Follow(run)
    assert [event.kind for event in follow.look().events] == ["upgrade.pending"]
    late = Event(kind="late", subject=run.pk, message="m")
    key = Event.objects.latest("pk").pk + 1
    Event.objects.create(pk=key + 1, kind="later", subject=run.pk, message="m")
    assert [event.kind for event in follow.look().events] == ["later"]
    late.pk = key
    late.save(force_insert=True)
    assert [event.kind for event in follow.look().events] == ["late"]
    assert follow.look().events == []
