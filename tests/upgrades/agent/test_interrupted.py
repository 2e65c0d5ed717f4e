"""Each step killed at each of its commands, and called again by a new leader: every life ends right.

Each place is a command of a step; it is killed before or after that command, the script alone (what it started lives
on) or with all of its processes (a power cut). By default the places are the commands that change something, and each
is covered by one of the six combinations of shell and moment; SYSMGR_FULL=1 covers every command in all six.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .host import BACKUP, NEW, SHELLS, STEPS, Host, Tree, tools, tree
from .kills import FULL, Moment, Shims, Victim, Watcher, copy_of

COMBINATIONS: list[tuple[str, Moment]] = [(shell, moment) for shell in SHELLS for moment in ("before", "after")]


@dataclass
class Scenario:
    """Steps in order; the kills fall into those of `killed`. `spoilt`: 1.3 is spoilt before the rollback."""

    name: str
    steps: tuple[str, ...]
    killed: tuple[str, ...]
    new: bool = False
    spoilt: bool = False
    hooks: str = ""

    def prepare(self, host: Host, step: str) -> None:
        """Do what happens to the host right before `step`."""
        if self.spoilt and step == "rollback":
            (host.old / "etc" / "a b").write_bytes(b"spoilt")
            (host.old / "more").touch()


_WAY = (*STEPS, "commit", "cleanup")
SCENARIOS = (
    Scenario("forward", _WAY, _WAY, new=True),
    Scenario("back", (*STEPS, "rollback", "cleanup"), ("rollback", "cleanup")),
    Scenario("restored", (*STEPS, "rollback", "cleanup"), ("rollback",), spoilt=True),
    # The stop fails, so that `current` still names the old release while that is unpacked anew.
    Scenario(
        "restored under current",
        ("spec", "push", "backup", "stage", "activate", "rollback", "cleanup"),
        ("rollback",),
        spoilt=True,
        hooks="H stop 1 - .\nA false\n",
    ),
)


def places(scenario: Scenario, host: Host, shims: Shims, saved: Path) -> Iterator[tuple[str, Host, int]]:
    """Live once without a kill; yield (step, the host right before it, command) for each place."""
    for step in scenario.steps:
        scenario.prepare(host, step)
        before = copy_of(host, saved / step)
        if step in scenario.killed:
            for at in range(1, shims.number(host, step) + 1):
                yield step, before, at
        else:
            host.step(step)


def check(host: Host, scenario: Scenario, old: Tree, place: object) -> None:
    """Right bytes, one whole backup, and nothing left behind."""
    releases = {path.name for path in (host.root / "storage" / "releases").iterdir()}
    assert host.leftovers() == [], place
    assert [path.name for path in (host.root / "backups").iterdir()] == [BACKUP], place
    with tarfile.open(host.root / "backups" / BACKUP) as backup:
        assert {member.name.removeprefix("./") for member in backup} == {*old}, place
    assert tree(host.old) == old, place
    assert host.link.readlink() == Path("releases/1.5" if scenario.new else "releases/1.3"), place
    if scenario.new:
        assert host.current() == NEW, place
    assert releases == ({"1.3", "1.5"} if scenario.new else {"1.3"}), place


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize(("shell", "moment"), COMBINATIONS)
def test_a_kill_at_any_command_is_survived(tmp_path: Path, shell: str, moment: Moment) -> None:
    mine = COMBINATIONS.index((shell, moment))
    path = tools(shell, tmp_path / "applets")
    shims = Shims(tmp_path / "shims")
    number = covered = 0
    for scenario in SCENARIOS:
        base = Host(tmp_path / scenario.name / "life", SHELLS[shell], scenario.hooks, path)
        old = tree(base.old)
        for step, before, at in places(scenario, base, shims, tmp_path / scenario.name):
            number += 1
            if not FULL and number % len(COMBINATIONS) != mine:
                continue
            covered += 1
            victim: Victim = "script" if number // len(COMBINATIONS) % 2 else "all"
            place = (shell, moment, victim, scenario.name, step, at)
            host = copy_of(before, tmp_path / f"host{number}")
            with Watcher(host) as watcher:
                code = shims.run(host, step, at, moment, victim)
                # A step that need not wait for a lock calls a command less: then the last place is not there.
                assert code in (-9, 137) or not shims.fired.exists(), (place, code)
                for again in scenario.steps[scenario.steps.index(step) :]:
                    if again != step:
                        scenario.prepare(host, again)
                    code, said = host.step(again, term=6)
                    assert code == 0 or (again, scenario.hooks != "") == ("activate", True), (place, again, said)
            assert watcher.missing == 0, place
            check(host, scenario, old, place)
    assert covered > 20, "the sweep found its commands"
