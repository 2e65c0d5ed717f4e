"""Need and push killed at each of their commands: the next leader asks, brings what lacks, and every file is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from .host import SHELLS, Host, tools, tree
from .kills import FULL, Moment, Shims, copy_of
from .test_need import BIG, NEW, OLD, lacks, stream

CHANGED = {"lib/b", "big"}


class Lives(Host):
    """A host to which a push brings what it lacked when it was asked last."""

    wanted: bytes = b""

    def words(self, step: str) -> tuple[tuple[str, ...], bytes]:
        return super().words(step) if step != "push" else ((), self.wanted)


def answered(host: Host) -> bytes:
    """Ask what lacks, and return a stream of just that."""
    whole: list[int] = []
    rests: dict[int, int] = {}
    for line in lacks(host):
        match line.split():
            case ["need", *words]:
                for word in words:
                    first, _, last = word.partition("-")
                    whole += range(int(first), int(last or first) + 1)
            case ["have", place, there]:
                rests[int(place)] = int(there)
    return stream(host, *(place for place in whole if place not in rests), rests=rests)


@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize(("shell", "moment"), [("dash", "before"), ("dash", "after"), ("busybox", "after")])
@pytest.mark.parametrize("step", ["need", "push", "push of a rest"])
def test_a_kill_anywhere_loses_and_spoils_nothing(tmp_path: Path, shell: str, moment: Moment, step: str) -> None:
    """Every third place that changes something; every command with SYSMGR_FULL=1."""
    path = tools(shell, tmp_path / "applets")
    base = Lives(tmp_path / "base", SHELLS[shell], path=path, old_files=OLD, new_files=NEW)
    old = tree(base.old)
    shims = Shims(tmp_path / "shims")
    base.ok("spec")
    if step != "need":
        base.wanted = answered(base)
    if step == "push of a rest":
        base.call("push", stdin=base.wanted[: 1536 + len(BIG) // 2])
        base.wanted = answered(base)
        assert len(base.wanted) < len(BIG) * 2 // 3
    for at in range(1, 200, 1 if FULL else 3):
        host = copy_of(base, tmp_path / f"host{at}")
        assert isinstance(host, Lives)
        host.wanted = base.wanted
        shims.run(host, step.split()[0], at, moment, "all" if at % 2 else "script")
        killed = shims.fired.exists()
        again = answered(host)
        assert len(again) <= len(stream(host, 2, 8)), "what the running release has never travels"
        assert host.call("push", stdin=again, term=6)[0] == 0, (at, host.log())
        pushed = {str(p.relative_to(p.parents[0])): p for p in (host.root / "packages" / "1.5").iterdir()}
        assert list(pushed) == ["storage"], at
        for name, (content, mode) in NEW.items():
            file = pushed["storage"] / name
            assert (file.read_bytes(), file.stat().st_mode & 0o777) == (content, mode), (at, name)
        assert tree(host.old) == old
        host.ok("cleanup", term=6)
        assert host.leftovers() == [], at
        if not killed:
            assert at > 6
            return
    pytest.fail("no life ran through")
