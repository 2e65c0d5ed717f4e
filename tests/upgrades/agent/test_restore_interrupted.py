"""A restore killed at each of its commands, and called again by a new leader: the backup's bytes, or the newer ones.

As in test_interrupted: by default each place that changes something is covered by one of six combinations of shell
and moment; SYSMGR_FULL=1 covers every command in all six.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .back import OWN, WAY, Back, upgraded
from .host import BACKUP, NEW, SHELLS, Host, Tree, tools, tree
from .kills import FULL, Moment, Shims, Victim, Watcher, copy_of
from .test_interrupted import COMBINATIONS


@dataclass
class Scenario:
    """Steps in order; the kills fall into those of `killed`. `listed`: the listing of the backup is there."""

    name: str
    steps: tuple[str, ...]
    killed: tuple[str, ...]
    old: bool = True
    listed: bool = True


SCENARIOS = (
    Scenario("again", (*WAY, "commit", "cleanup"), ("spec", "stage", "activate", "verify")),
    Scenario("unlisted", (*WAY, "commit", "cleanup"), ("stage",), listed=False),
    Scenario("back", (*WAY, "rollback", "cleanup"), ("rollback", "cleanup"), old=False),
)


def places(scenario: Scenario, back: Host, shims: Shims, saved: Path) -> Iterator[tuple[str, Host, int]]:
    """Live once without a kill; yield (step, the host right before it, command) for each place."""
    for step in scenario.steps:
        before = copy_of(back, saved / step)
        if step in scenario.killed:
            for at in range(1, shims.number(back, step) + 1):
                yield step, before, at
        else:
            back.ok(step)


def check(host: Host, scenario: Scenario, old: Tree, place: object) -> None:
    """Right bytes, both backups whole, and nothing left behind."""
    assert host.leftovers() == [], place
    assert {path.name for path in (host.root / "backups").iterdir()} == {BACKUP, OWN}, place
    releases = {path.name for path in (host.root / "storage" / "releases").iterdir()}
    assert releases == ({"1.3", "1.5"} if scenario.old else {"1.5"}), place
    assert host.link.readlink() == Path("releases/1.3" if scenario.old else "releases/1.5"), place
    if scenario.old:
        assert tree(host.old) == old, place
    else:
        assert host.current() == NEW, place


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize(("shell", "moment"), COMBINATIONS)
def test_a_restore_survives_a_kill_at_any_command(tmp_path: Path, shell: str, moment: Moment) -> None:
    mine = COMBINATIONS.index((shell, moment))
    path = tools(shell, tmp_path / "applets")
    shims = Shims(tmp_path / "shims")
    number = covered = 0
    for scenario in SCENARIOS:
        base = Host(tmp_path / scenario.name / "life", SHELLS[shell], path=path)
        old = tree(base.old)
        back: Back = upgraded(base)
        shutil.rmtree(back.old)
        if not scenario.listed:
            (base.state / "old.tree").unlink()
        for step, before, at in places(scenario, back, shims, tmp_path / scenario.name):
            number += 1
            if not FULL and number % len(COMBINATIONS) != mine:
                continue
            covered += 1
            victim: Victim = "script" if number // len(COMBINATIONS) % 2 else "all"
            place = (shell, moment, victim, scenario.name, step, at)
            host = copy_of(before, tmp_path / f"host{number}")
            with Watcher(host) as watcher:
                code = shims.run(host, step, at, moment, victim)
                assert code in (-9, 137) or not shims.fired.exists(), (place, code)
                for again in scenario.steps[scenario.steps.index(step) :]:
                    code, said = host.step(again, term=6)
                    assert code == 0, (place, again, said)
            assert watcher.missing == 0, place
            check(host, scenario, old, place)
    assert covered > 10, "the sweep found its commands"
