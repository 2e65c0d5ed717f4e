"""The engine's writes: each is guarded by the expected state and by the term of the lease."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from cluster.leader import LostLeadership
from cluster.models import HostService, LeaderLease
from sysmgr.errors import SysmgrError
from sysmgr.events.models import Event
from sysmgr.events.services import emit_all, event
from upgrades.models import Backup, StepLog, UpgradeItem, UpgradeRun
from upgrades.versions import parsed

from . import backup_names
from .reasons import of, told_of

State = UpgradeItem.State


class Made(NamedTuple):
    """A complete backup: its row, and what the host answered of its file."""

    backup: Backup
    answer: dict[str, str]


class Move(NamedTuple):
    """An item that goes into another state; `error` is why, `facts` are told with its event, `made` is its backup that
    is complete by now."""

    item: UpgradeItem
    state: str
    error: SysmgrError | None = None
    facts: dict[str, Any] = {}
    made: Made | None = None

    def told(self, now: datetime) -> dict[str, Any]:
        """Return the columns that change; an error's code and texts stay with the item."""
        told: dict[str, Any] = {"state": self.state, "update_time": now}
        if self.item.begin_time is None and self.state not in UpgradeItem.NOT_BEGUN:
            told["begin_time"] = now
        if self.state in UpgradeItem.ENDED:
            told["end_time"] = now
        if self.state == State.COMMITTED:
            told |= UpgradeItem.UNTOLD  # an earlier leader may have begun to give it up
        if self.error is not None:
            told |= told_of(self.error)
        if self.made is not None and self.item.run.kind == UpgradeRun.Kind.BACKUP:
            told["package_name"] = self.made.backup.package_name
        return told

    def event(self) -> Event:
        """Return the event that tells it, unsaved."""
        item = self.item
        why = {"reason": of(self.error).key} if self.error else {}
        return event(
            f"upgrade.item.{self.state}",
            item.run_id,
            f"{item.host_ip} {item.service_type}: {self.state}",
            f"{item.host_ip} {item.service_type}：{self.state}",
            severity="error" if self.error else "info",
            cluster_uuid=item.run.cluster_id,
            host_ip=item.host_ip,
            service_type=item.service_type,
            **{**why, **self.facts},
        )


class Journal:
    """Writes for one leader's term; every method is one transaction or raises LostLeadership."""

    def __init__(self, term: int) -> None:
        self.term = term
        # Asked with every write: built once.
        held = LeaderLease.objects.select_for_update().filter(pk=1, term=term, holder__isnull=False)
        self._held = held.values_list("term", flat=True)
        self.logs: list[StepLog] = []  # what the next items are written with

    def hold_term(self) -> None:
        """Lock the lease row to the commit: no other leader can take over inside this transaction."""
        if not list(self._held.all()):
            raise LostLeadership(f"term {self.term} is over")

    def item(self, item: UpgradeItem, state: str, error: SysmgrError | None = None) -> None:
        """Move an item to `state`; an error's code and texts stay with it."""
        self.items([Move(item, state, error)])

    def items(self, moves: Sequence[Move]) -> list[Backup | None]:
        """Move items together, and note what the hosts of the committed ones run, their backups and `logs`: one
        transaction, in which the number of queries grows with the kinds of moves, not with the items. Return the
        backup row of each that begins to be backed up."""
        now = timezone.now()
        told = [move.told(now) for move in moves]
        with transaction.atomic():
            self.hold_term()
            _update(moves, told)
            claimed = backup_names.claim([move.item for move in moves if move.state == State.BACKING_UP])
            _note_versions([move.item for move in moves if move.state == State.COMMITTED])
            _note_backups([move.made for move in moves if move.made is not None], now)
            emit_all(move.event() for move in moves)
            StepLog.objects.bulk_create(self.logs)
        self.logs = []
        for move, values in zip(moves, told, strict=True):
            for name, value in values.items():
                setattr(move.item, name, value)
        return [claimed.get(move.item.task) for move in moves]

    @transaction.atomic
    def watched(self, logs: Sequence[StepLog], moved: Sequence[UpgradeItem]) -> None:
        """Note what steps said, and how much of their payloads was sent: a query for each amount."""
        self.hold_term()
        StepLog.objects.bulk_create(logs)
        alike: dict[tuple[int, int], list[UpgradeItem]] = defaultdict(list)
        for item in moved:
            alike[item.sent, item.payload_bytes].append(item)
        for (sent, payload), items in alike.items():
            rows = UpgradeItem.objects.filter(pk__in=[item.pk for item in items])
            rows.update(sent=sent, payload_bytes=payload)

    @transaction.atomic
    def claims(self, items: Sequence[UpgradeItem]) -> list[Backup]:
        """Return the backup row of each, with a name of its own."""
        self.hold_term()
        claimed = backup_names.claim(items)
        return [claimed[item.task] for item in items]

    @transaction.atomic
    def rename(self, backup: Backup) -> None:
        """Give a backup the next name: its host has a file of that name already."""
        self.hold_term()
        backup_names.rename(backup)


def _update(moves: Sequence[Move], told: Sequence[dict[str, Any]]) -> None:
    """Write the new states, those that change alike in one statement, each guarded by the state before."""
    alike: dict[tuple[Any, ...], list[UpgradeItem]] = defaultdict(list)
    for move, values in zip(moves, told, strict=True):
        alike[(move.item.state, *sorted(values.items()))].append(move.item)
    for (before, *pairs), items in alike.items():
        rows = UpgradeItem.objects.filter(pk__in=[item.pk for item in items], state=before)
        if rows.update(**dict(pairs)) != len(items):
            raise LostLeadership(f"one of {len(items)} items was moved by another leader")


def _note_backups(every: Sequence[Made], now: datetime) -> None:
    """Note what the complete backups are. One query."""
    for backup, answer in every:
        backup.md5, backup.sha256, backup.size = answer["md5"], answer["sha256"], int(answer["size"])
        backup.update_time = backup.update_time or now
    # Their rows are there: an upsert costs a tenth of what bulk_update does.
    Backup.objects.bulk_create(
        [made.backup for made in every],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["md5", "sha256", "size", "update_time"],
    )


def _note_versions(items: Sequence[UpgradeItem]) -> None:
    """Note what hosts run after their items were committed."""
    alike: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    for item in items:
        alike[item.service_type, item.to_version].append(item.host_id)
    for (service, version), hosts in alike.items():
        rows = HostService.objects.filter(host__in=hosts, service_type=service)
        rows.update(version=version)
        marked = rows.exclude(catch_up="").values_list("pk", "catch_up")
        caught_up = [pk for pk, missed in marked if parsed(missed) <= parsed(version)]
        if caught_up:
            HostService.objects.filter(pk__in=caught_up).update(catch_up="")
