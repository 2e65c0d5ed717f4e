"""The engine's writes to runs: an operator may move a run at any moment, so each says whether it came to pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from cluster.leader import step_above
from sysmgr.audit.services import SYSTEM, record
from sysmgr.errors import SysmgrError
from sysmgr.events.models import Event
from sysmgr.events.services import emit
from upgrades import limits, resting, rollbacks
from upgrades.errors import ThresholdReached
from upgrades.models import UpgradeItem, UpgradeRun

from .journal import Journal

State = UpgradeRun.State
_LOOKED_AT = ("state", "paused_by", "prechecked", "forgiven", "options", "scode", "message", "message_cn")

_HAND_OVER = (
    "the leader's own host {host} is next: the lead is handed over, and another manager goes on",
    "即将升级主节点自身所在主机 {host}：主节点已移交，由另一管理节点继续",
)
_OWN_HOST = (
    "the leader's own host {host} is next: if the manager stops there, it goes on when it is back",
    "即将升级主节点自身所在主机 {host}：若管理进程因此停止，恢复后将继续",
)


class RunJournal(Journal):
    """Under the held term no other leader writes: whoever else moved the run is an operator, and is obeyed."""

    def look(self, run: UpgradeRun) -> None:
        """Read anew what an operator may have changed of a run, and of its cluster's gate and probes. One query."""
        now = UpgradeRun.objects.values(*_LOOKED_AT, "cluster__gate", "cluster__probes").get(pk=run.pk)
        run.cluster.gate, run.cluster.probes = now.pop("cluster__gate"), now.pop("cluster__probes")
        for name, value in now.items():
            setattr(run, name, value)

    @transaction.atomic
    def take_up(self, run: UpgradeRun) -> None:
        """Begin a pending run."""
        self.hold_term()
        self._move(run, State.PENDING, {"state": State.PRECHECKING})

    @transaction.atomic
    def checked(self, run: UpgradeRun) -> None:
        """Note that all hosts passed; the run goes on, unless an operator wants it to rest."""
        self.hold_term()
        UpgradeRun.objects.filter(pk=run.pk).update(prechecked=True)
        # What held an item up in an earlier try does not any more.
        run.items.filter(state__in=UpgradeItem.NOT_BEGUN).exclude(scode=0).update(**UpgradeItem.UNTOLD)
        self._move(run, State.PRECHECKING, {"state": State.RUNNING, "prechecked": True})

    @transaction.atomic
    def rest(
        self, run: UpgradeRun, paused_by: str, error: SysmgrError | None = None, points: Sequence[str] = ()
    ) -> None:
        """Begin to pause a run; `error` says why, `points` are the pause points at which it pauses only once. A run
        that somebody else let rest already stays so, but for a reboot: only resuming brings that host further."""
        self.hold_term()
        locked = UpgradeRun.objects.select_for_update().get(pk=run.pk)
        reboot = paused_by == UpgradeRun.PausedBy.REBOOT and locked.state == State.PAUSING
        if locked.state not in (State.PRECHECKING, State.RUNNING) and not reboot:
            self.look(run)
            return
        told = {"state": State.PAUSING, "paused_by": paused_by, **(resting.said(error) if error else {})}
        if points:
            passed = [*locked.options.get("paused_after", []), *points]
            message = f"Paused after {', '.join(points)}."
            told |= {"message": message, "message_cn": f"已在 {', '.join(points)} 之后暂停。"}
            told["options"] = {**locked.options, "paused_after": passed}
        self._move(run, locked.state, told, severity="warning")

    @transaction.atomic
    def own_host(self, run: UpgradeRun, host_ip: str, others: bool) -> bool:
        """Tell that the leader's own host is next. Where `others` are ready to lead, give the lease up, once for a
        host and run, and return True: the next leader goes on. Else this one does: from the host's marks, should it
        stop there."""
        self.hold_term()
        told = Event.objects.filter(subject=run.pk, kind="upgrade.hand_over", data__host_ip=host_ip)
        if others and not told.exists() and step_above(self.term, self.term):
            self._tell(run, "upgrade.hand_over", host_ip, *_HAND_OVER)
            record(SYSTEM, "leader.hand_over", f"host {host_ip}")
            return True
        self._tell(run, "upgrade.own_host", host_ip, *_OWN_HOST)
        return False

    def _tell(self, run: UpgradeRun, kind: str, host_ip: str, english: str, chinese: str) -> None:
        texts = english.format(host=host_ip), chinese.format(host=host_ip)
        emit(kind, run.pk, *texts, cluster_uuid=run.cluster_id, host_ip=host_ip)

    def _move(self, run: UpgradeRun, expected: str, told: dict[str, Any], severity: str = "info") -> None:
        if resting.move(run, expected, told):
            resting.announce(run, severity=severity)
        else:
            self.look(run)

    @transaction.atomic
    def settle(self, run: UpgradeRun, fatal: SysmgrError | None) -> None:
        """Let a run rest that has nothing more to do in its state: end it, or pause it. What an operator
        asked for meanwhile is only noted in `run`, and then the run is driven on."""
        self.hold_term()
        locked = UpgradeRun.objects.select_for_update().get(pk=run.pk)
        for name in _LOOKED_AT:
            setattr(run, name, getattr(locked, name))
        counts = Counter(run.items.values_list("state", flat=True))
        waiting, pushed = counts[UpgradeItem.State.PENDING], counts[UpgradeItem.State.PUSHING]
        # Only a host that must be rebooted leaves something under way here.
        under_way = sum(counts[state] for state in UpgradeItem.UNDER_WAY)
        if not under_way and (fatal is not None or not (waiting or pushed)):
            self._end(run, fatal, counts)
        elif run.state == State.PAUSING:
            self._pause(run, counts)
        elif run.state == State.CANCELLING and not pushed and not under_way:
            self._end(run, None, counts)

    def _pause(self, run: UpgradeRun, counts: Counter[str]) -> None:
        told: dict[str, Any] = {"state": State.PAUSED}
        failed, all_ = resting.failures(counts), counts.total()
        reboot = run.paused_by == UpgradeRun.PausedBy.REBOOT
        if not reboot and failed - run.forgiven >= limits.threshold(run.options, all_):
            # Also where an operator asked first: resuming must pass over these failures.
            told |= {
                "paused_by": UpgradeRun.PausedBy.THRESHOLD,
                **resting.said(ThresholdReached(count=failed, all=all_)),
            }
        resting.move(run, State.PAUSING, told)
        resting.announce(run, severity="warning")
        record(SYSTEM, "upgrade.pause", f"run {run.pk}", result=run.paused_by)

    def _end(self, run: UpgradeRun, fatal: SysmgrError | None, counts: Counter[str]) -> None:
        """End a run: what was not begun is skipped, the hosts are let go; at a threshold that rolls back, what was
        committed goes over to the run that takes it back, in the same transaction."""
        resting.end(run, fatal, counts)
        if isinstance(fatal, ThresholdReached):
            rollbacks.take_over(run)
        resting.let_go(run)
        resting.announce(run, severity="error" if run.state == State.FAILED else "info")
        record(SYSTEM, "upgrade.end", f"run {run.pk}", result=run.state)
