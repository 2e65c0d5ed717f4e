"""Alerts about runs: read from the runs' own state, so that they open and close by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from sysmgr.events.alerts import Trouble, reconcile
from sysmgr.events.models import Event

from .models import UpgradeItem, UpgradeRun

# An old failure that nobody mended is history; an unproven host stays a matter for a person.
_FAILED_DAYS = 30
_PAUSED, _FAILED, _UNPROVEN = "upgrade.paused:", "upgrade.failed:", "upgrade.unproven:"


def drained(cluster: UUID, host_ip: str, service: str) -> str:
    """Return the key of the alert of a service that got its work not back."""
    return f"upgrade.drained:{cluster}:{host_ip}:{service}"


def show() -> None:
    """Keep one alert open for each paused run, each failed one and each one with an unproven item.

    The last two close when the run itself succeeds in the end (retry), or when each of its host services that did
    not come to its end was committed by a later run. Queries: one a kind, and one for its open alerts.
    """
    reconcile(_PAUSED, {f"{_PAUSED}{run.pk}": _paused(run) for run in _runs(UpgradeRun.objects.filter(state="paused"))})
    since = timezone.now() - timedelta(days=_FAILED_DAYS)
    failed = UpgradeRun.objects.filter(Exists(_open_items()), state="failed", end_time__gt=since)
    reconcile(_FAILED, {f"{_FAILED}{run.pk}": _failed(run) for run in _runs(failed)})
    unproven = UpgradeRun.objects.filter(Exists(_open_items().filter(state="inconsistent"))).exclude(state="succeeded")
    reconcile(_UNPROVEN, {f"{_UNPROVEN}{run.pk}": _unproven(run) for run in _runs(unproven)})


def _open_items() -> QuerySet[UpgradeItem]:
    """Return the outer run's items that did not come to their end and are covered by no later success; a backup
    makes nothing good but a backup that failed."""
    later = UpgradeItem.objects.filter(
        ~Q(run__kind="backup") | Q(run__kind=OuterRef("run__kind")),
        host=OuterRef("host"),
        service_type=OuterRef("service_type"),
        run__create_time__gt=OuterRef("run__create_time"),
        state="committed",
    )
    return UpgradeItem.objects.filter(~Q(state="committed"), ~Exists(later), run=OuterRef("pk"), host__isnull=False)


def _runs(rows: QuerySet[UpgradeRun]) -> Iterable[UpgradeRun]:
    return rows.select_related("cluster").order_by("create_time")


def _paused(run: UpgradeRun) -> Trouble:
    return Trouble(
        f"Upgrade {run.pk} of {run.cluster} is paused. upgrade/resume goes on, upgrade/cancel ends it.",
        f"{run.cluster} 的升级 {run.pk} 已暂停。调用 upgrade/resume 继续，或调用 upgrade/cancel 结束。",
        cluster_uuid=run.cluster_id,
    )


def _failed(run: UpgradeRun) -> Trouble:
    return Trouble(
        f"Upgrade {run.pk} of {run.cluster} failed: {run.message or 'see its items'} "
        "This alert closes when its hosts were upgraded.",
        f"{run.cluster} 的升级 {run.pk} 失败：{run.message_cn or '详见各项'}相关主机升级成功后此告警自动关闭。",
        Event.Severity.ERROR,
        run.cluster_id,
    )


def _unproven(run: UpgradeRun) -> Trouble:
    return Trouble(
        f"Upgrade {run.pk} of {run.cluster} left a host whose release can't be proven: a person has to look. "
        "upgrade/inspect names it and what was found.",
        f"{run.cluster} 的升级 {run.pk} 使某台主机的版本无法确认，需要人工处理。详见 upgrade/inspect。",
        Event.Severity.ERROR,
        run.cluster_id,
    )
