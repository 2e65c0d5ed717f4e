"""Hosts that do not answer a step: how often they are asked again, when never, and what the item ends as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.models import Cluster
from upgrades.engine import stepping
from upgrades.models import StepLog
from upgrades.transports.base import HostKeyChanged, Result, Unreachable
from upgrades.transports.local import LocalTransport

from .drive import ask, broken_package, content, drive, root
from .ward import commands

pytestmark = pytest.mark.django_db(transaction=True)
CUT = Unreachable("cut")
PROMISED = (stepping.PAUSES, sum(stepping.CHANGE_PAUSES), sum(stepping.ROLLBACK_PAUSES))  # as docs/upgrades.md says
End = Exception | Result | Callable[[LocalTransport], None]


class Refused(Unreachable):
    key = "authentication_refused"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that take no time."""
    monkeypatch.setattr(stepping, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(stepping, "CHANGE_PAUSES", (0.01,) * 3)
    monkeypatch.setattr(stepping, "ROLLBACK_PAUSES", (0.01,) * 5)
    monkeypatch.setattr("upgrades.engine.task.PAUSES", (0.01, 0.01))


def breaking(monkeypatch: pytest.MonkeyPatch, **ends: Sequence[End]) -> list[str]:
    """Let the first calls of a step end so (or something be done before them); return the list of all calls."""
    calls, honest = list[str](), LocalTransport.run
    left = {step: list(some) for step, some in ends.items()}

    async def run(self: LocalTransport, *words: str, **more: Any) -> Result:
        calls.append(words[0])
        end = left[words[0]].pop(0) if left.get(words[0]) else None
        if isinstance(end, Exception):
            raise end
        if isinstance(end, Result):
            return end
        if end is not None:
            end(self)
        return await honest(self, *words, **more)

    monkeypatch.setattr(LocalTransport, "run", run)
    return calls


def test_it_is_waited_for_as_long_as_the_docs_say() -> None:
    short, change, rollback = PROMISED
    assert (short, change // 60, rollback // 60) == ((2.0, 5.0), 5, 10)


@pytest.mark.parametrize("step", ["spec", "need", "push", "backup", "stage"])
def test_before_the_change_a_silent_host_is_asked_again(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    calls = breaking(monkeypatch, **{step: [CUT, CUT]})
    run = drive(ask(demo_cluster, "storage"), term)
    assert (run.state, calls.count(step)) == ("succeeded", 3)
    logs = StepLog.objects.filter(item__run=run, step=step).order_by("pk")
    assert list(logs.values_list("code", "text")) == [(None, "cut"), (None, "cut"), (0, "")]


def test_one_that_answers_late_how_its_service_is_is_believed(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the upgrade would be blamed for what was unwell before."""
    (root() / "storage" / "current" / "well").write_text("#!/bin/sh\nexit 1\n")
    (root() / "storage" / "current" / "well").chmod(0o755)
    toml = '[services.storage.commands.status]\nargv = ["./well"]\nseconds = 1\n'
    toml += '[services.storage.commands.drain]\nargv = ["false"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    calls = breaking(monkeypatch, check=[CUT, CUT])
    item = drive(ask(demo_cluster, "storage"), term).items.get()
    assert (item.state, item.skip_reason) == ("skipped", "was unhealthy before: status says no")
    assert calls.count("check") == 3


def test_a_drain_is_asked_again(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    broken_package(
        demo_cluster, tmp_path, "2.0", commands(drain=f"echo drain >>{log}", undrain=f"echo undrain >>{log}")
    )
    calls = breaking(monkeypatch, drain=[CUT, CUT], undrain=[CUT, CUT])
    assert drive(ask(demo_cluster, "storage"), term).state == "succeeded"
    assert (calls.count("drain"), calls.count("undrain")) == (3, 3)
    assert log.read_text().split() == ["drain", "undrain"]


@pytest.mark.parametrize("step", ["activate", "verify", "commit"])
def test_in_mid_change_it_is_waited_for(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    calls = breaking(monkeypatch, **{step: [CUT, CUT, CUT]})
    run = drive(ask(demo_cluster, "storage"), term)
    assert (run.state, calls.count(step), calls.count("rollback")) == ("succeeded", 4, 0)
    assert run.items.get().message == ""


def test_one_that_stays_silent_before_the_change_is_given_up(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = breaking(monkeypatch, backup=[CUT] * 9)
    item = drive(ask(demo_cluster, "storage"), term).items.get()
    assert (calls.count("backup"), item.state, item.reason, item.definite) == (3, "failed", "unreachable", False)
    assert "upgrade/skip" in item.message


def test_one_that_stays_silent_in_the_change_is_brought_back_when_it_answers(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = content(root() / "storage" / "current")
    calls = breaking(monkeypatch, verify=[CUT] * 9, rollback=[CUT] * 5)
    item = drive(ask(demo_cluster, "storage"), term).items.get()
    assert (item.state, item.reason, calls.count("verify"), calls.count("rollback")) == (
        "rolled_back",
        "unreachable",
        4,
        6,
    )
    assert content(root() / "storage" / "current") == old


def test_what_is_definite_is_not_asked_again(demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed key stops the item at once, also in mid-change: nothing is run there, and nobody knows who it is."""
    changed = HostKeyChanged("another key")
    calls = breaking(monkeypatch, activate=[changed], rollback=[changed])
    item = drive(ask(demo_cluster, "storage"), term).items.get()
    assert (item.state, item.scode, calls.count("activate"), calls.count("rollback")) == ("inconsistent", 4044, 1, 1)


@pytest.mark.parametrize(
    ("step", "end", "key"),
    [
        ("backup", Refused("no"), "authentication_refused"),
        ("push", Refused("no"), "authentication_refused"),
        ("stage", Result(17, "error digest_mismatch the release changed\n"), "digest_mismatch"),
    ],
)
def test_before_the_change_what_is_definite_fails_it(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, step: str, end: End, key: str
) -> None:
    calls = breaking(monkeypatch, **{step: [end]})
    item = drive(ask(demo_cluster, "storage"), term).items.get()
    assert (calls.count(step), item.state, item.reason, item.definite) == (1, "failed", key, True)


def test_one_that_boots_may_let_nobody_in_for_a_while(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, activate=[CUT, Refused("the system is booting"), Refused("the system is booting")])
    assert drive(ask(demo_cluster, "storage"), term).state == "succeeded"


@pytest.mark.parametrize("end", [Result(-15, ""), Result(143, ""), Result(127, ""), Result(2, "")])
def test_a_step_that_ended_without_a_word_told_nothing(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, end: Result
) -> None:
    """Who shuts a host down ends the script before the connection; who boots it may mount its folder late."""
    calls = breaking(monkeypatch, activate=[end], verify=[end])
    run = drive(ask(demo_cluster, "storage"), term)
    assert (run.state, calls.count("activate"), calls.count("verify")) == ("succeeded", 2, 2)
    assert StepLog.objects.filter(code=None, text=f"the step ended without a word (exit {end.code})").count() == 2


def test_an_empty_script_is_no_success(demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was renamed right before a power cut may be there without its content; sh finds nothing wrong with that."""

    def lost(host: LocalTransport) -> None:
        host._script.write_bytes(b"")

    calls = breaking(monkeypatch, activate=[lost], commit=[lost])
    run = drive(ask(demo_cluster, "storage"), term)
    assert (run.state, calls.count("activate"), calls.count("commit")) == ("succeeded", 2, 2)
    assert (root() / "storage" / "current").resolve().name == "1.5"


def test_what_the_host_committed_before_it_fell_silent_stays_committed(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of commit is lost, and so is all else until the old release is to be brought back."""
    honest = LocalTransport.run
    calls = breaking(monkeypatch, inspect=[], rollback=[CUT])
    counting, silent = LocalTransport.run, [False]

    async def run(self: LocalTransport, *words: str, **more: Any) -> Result:
        if words[0] == "commit" and not silent[0]:
            await honest(self, *words, **more)
            silent[0] = True
        if silent[0] and words[0] in ("commit", "inspect") and "rollback" not in calls:
            raise Unreachable("cut")
        return await counting(self, *words, **more)

    monkeypatch.setattr(LocalTransport, "run", run)
    run_ = drive(ask(demo_cluster, "storage"), term)
    item = run_.items.get()
    assert (run_.state, item.state, item.message, calls.count("rollback")) == ("succeeded", "committed", "", 2)
