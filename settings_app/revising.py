"""Writing a revision: number, origins, snapshot, event, and the audit row as the last statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.models import Cluster
from sysmgr.audit.services import Actor, record
from sysmgr.events.models import Event
from sysmgr.events.services import emit

from .models import SettingRevision
from .sections import SECTIONS, render_section

Kind = SettingRevision.Kind
_ACTIONS = {Kind.RESTORE: "setting.restore", Kind.REVERT: "setting.revert"}


@dataclass(frozen=True)
class Newest:
    """The newest revision's number, and by which revision each path was set last."""

    number: int = 0
    origins: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Note:
    """What a revision says beside its changes: why, of what kind, and which one it brought back."""

    reason: str = ""
    kind: str = Kind.UPDATE
    of_revision: int | None = None


def newest(cluster: Cluster) -> Newest:
    """Return the cluster's newest revision; call it under the cluster's lock. Queries: one."""
    rows = SettingRevision.objects.filter(cluster=cluster).order_by("-number")
    found = rows.values_list("number", "origins").first()
    return Newest(*found) if found else Newest()


def origins_after(origins: Mapping[str, int], paths: Iterable[str], number: int) -> dict[str, int]:
    """Return the origins once revision `number` changed `paths`; what lies in a list counts for the whole list."""
    return {**origins, **{path.partition("[")[0]: number for path in paths}}


def revise(
    cluster: Cluster, actor: Actor, diff: list[dict[str, Any]], note: Note, last: Newest, **told: Any
) -> SettingRevision:
    """Write the revision that makes `diff` of the `last` one; `told` goes to the audit with the changes.

    Call it as the last thing of the transaction: the audit's lock is held to the commit.
    """
    number = last.number + 1
    paths = [entry["path"] for entry in diff]
    sections = {name: model._default_manager.get(cluster=cluster) for name, model in SECTIONS.items()}
    revision = SettingRevision.objects.create(
        cluster=cluster,
        number=number,
        author=actor.user_name,
        door=actor.door,
        source=actor.source,
        kind=note.kind,
        of_revision=note.of_revision,
        reason=note.reason,
        diff=diff,
        snapshot={name: render_section(row) for name, row in sections.items()},
        origins=origins_after(last.origins or {}, paths, number),
    )
    _announce(cluster, actor, revision, ", ".join(paths))
    changes = [*diff, *({"path": path, "from": None, "to": value} for path, value in told.items())]
    action = _ACTIONS.get(Kind(note.kind), "setting.update")
    record(actor, action, f"cluster {cluster.pk} revision {number}", changes=changes)
    return revision


def _announce(cluster: Cluster, actor: Actor, revision: SettingRevision, paths: str) -> None:
    who, back = actor.user_name, revision.of_revision
    kind, severity = "setting.changed", Event.Severity.INFO
    english, chinese = f"{who} changed settings of {cluster}: {paths}", f"{who} 修改了 {cluster} 的设置：{paths}"
    if revision.kind == Kind.RESTORE:
        english = f"{who} restored settings of {cluster} from revision {back}: {paths}"
        chinese = f"{who} 从修订 {back} 恢复了 {cluster} 的设置：{paths}"
    elif revision.kind == Kind.REVERT:
        kind, severity = "setting.reverted", Event.Severity.WARNING
        english = f"settings of {cluster} went back to revision {back}, the change was not confirmed in time: {paths}"
        chinese = f"{cluster} 的设置已退回修订 {back}，更改未按时确认：{paths}"
    emit(kind, cluster.pk, english, chinese, cluster_uuid=cluster.pk, severity=severity, revision=revision.number)
