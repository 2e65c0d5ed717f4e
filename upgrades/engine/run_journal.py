"""The engine's writes to runs: an operator may move a run at any moment, so each says whether it came to pass."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import transaction
from django.utils import timezone

from sysmgr.audit.services import SYSTEM, record
from sysmgr.errors import SysmgrError
from upgrades import limits, resting
from upgrades.errors import ItemsFailed, ThresholdReached
from upgrades.models import UpgradeItem, UpgradePackage, UpgradeRun

from .journal import Journal

State = UpgradeRun.State
_LOOKED_AT = ("state", "paused_by", "prechecked", "forgiven")


class RunJournal(Journal):
    """Under the held term no other leader writes: whoever else moved the run is an operator, and is obeyed."""

    def look(self, run: UpgradeRun) -> None:
        """Read anew what an operator may have changed. One query."""
        run.refresh_from_db(fields=_LOOKED_AT)

    @transaction.atomic
    def take_up(self, run: UpgradeRun) -> None:
        """Begin a pending run."""
        self._hold_term()
        self._move(run, State.PENDING, {"state": State.PRECHECKING})

    @transaction.atomic
    def checked(self, run: UpgradeRun) -> None:
        """Note that all hosts passed; the run goes on, unless an operator wants it to rest."""
        self._hold_term()
        UpgradeRun.objects.filter(pk=run.pk).update(prechecked=True)
        self._move(run, State.PRECHECKING, {"state": State.RUNNING, "prechecked": True})

    @transaction.atomic
    def too_many(self, run: UpgradeRun) -> None:
        """Begin to pause a run in which too many items failed."""
        self._hold_term()
        told = {"state": State.PAUSING, "paused_by": UpgradeRun.PausedBy.THRESHOLD}
        self._move(run, State.RUNNING, told, severity="warning")

    def _move(self, run: UpgradeRun, expected: str, told: dict[str, Any], severity: str = "info") -> None:
        if resting.move(run, expected, told):
            resting.announce(run, severity=severity)
        else:
            self.look(run)

    @transaction.atomic
    def settle(self, run: UpgradeRun, fatal: SysmgrError | None) -> None:
        """Let a run rest that has nothing more to do in its state: end it, or pause it. What an operator
        asked for meanwhile is only noted in `run`, and then the run is driven on."""
        self._hold_term()
        locked = UpgradeRun.objects.select_for_update().get(pk=run.pk)
        for name in _LOOKED_AT:
            setattr(run, name, getattr(locked, name))
        counts = Counter(run.items.values_list("state", flat=True))
        pushed = counts[UpgradeItem.State.PUSHING]
        left = pushed + counts[UpgradeItem.State.PENDING]
        if fatal is not None or not left:
            self._end(run, fatal, counts)
        elif run.state == State.PAUSING:
            self._pause(run, counts)
        elif run.state == State.CANCELLING and not pushed:
            self._end(run, None, counts)

    def _pause(self, run: UpgradeRun, counts: Counter[str]) -> None:
        told: dict[str, Any] = {"state": State.PAUSED}
        failed, all_ = resting.failures(counts), counts.total()
        if failed - run.forgiven >= limits.threshold(run.options, all_):
            # Also where an operator asked first: resuming must pass over these failures.
            told |= {"paused_by": UpgradeRun.PausedBy.THRESHOLD, **_said(ThresholdReached(count=failed, all=all_))}
        resting.move(run, State.PAUSING, told)
        resting.announce(run, severity="warning")
        record(SYSTEM, "upgrade.pause", f"run {run.pk}", result=run.paused_by)

    def _end(self, run: UpgradeRun, fatal: SysmgrError | None, counts: Counter[str]) -> None:
        """End a run: what was not begun is skipped, the hosts are let go."""
        failed = resting.failures(counts)
        error = fatal
        if fatal is None and failed:
            error = ItemsFailed(count=failed, all=counts.total())
        told: dict[str, Any] = {"state": State.SUCCEEDED, "error": "", "scode": 0, "message": "", "message_cn": ""}
        not_done = (UpgradeItem.State.PENDING, UpgradeItem.State.SKIPPED)
        if fatal is None and run.state == State.CANCELLING and any(counts[state] for state in not_done):
            told |= resting.cancelled(counts)
        elif error is not None:
            told |= {"state": State.FAILED, "error": error.name(), **_said(error)}
        resting.move(run, run.state, {**told, "paused_by": "", "end_time": timezone.now()})
        if run.state == State.SUCCEEDED:
            used = run.items.filter(state=UpgradeItem.State.COMMITTED).values("package")
            UpgradePackage.objects.filter(pk__in=used).update(update_time=run.end_time)
        resting.let_go(run)
        resting.announce(run, severity="error" if run.state == State.FAILED else "info")
        record(SYSTEM, "upgrade.end", f"run {run.pk}", result=run.state)


def _said(error: SysmgrError) -> dict[str, Any]:
    return {"scode": error.scode, "message": error.text[:1024], "message_cn": error.text_cn[:1024]}
