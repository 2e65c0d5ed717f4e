"""The revisions of a cluster's settings: listed, shown with their difference, brought back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from cluster.models import Cluster
from cluster.services import locked
from sysmgr.api.paging import Page
from sysmgr.audit.services import Actor

from . import pending
from .errors import RevisionNotFound
from .models import SettingRevision
from .restored import changes_of
from .revising import Kind, Note
from .services import Order, store


def revision_list(cluster_uuid: UUID, page: Page) -> dict[str, Any]:
    """Return a page of revisions, newest first; `page.name` is looked for in authors and reasons.

    Queries: count, page.
    """
    rows = SettingRevision.objects.filter(cluster=cluster_uuid).order_by("-number").defer("snapshot", "origins")
    if page.name:
        rows = rows.filter(Q(author__icontains=page.name) | Q(reason__icontains=page.name))
    return page.cut(rows, revision_facts)


def revision_facts(revision: SettingRevision) -> dict[str, Any]:
    """Return what a list shows of a revision."""
    return {
        "revision": revision.number,
        "author": revision.author,
        "door": revision.door,
        "time": int(revision.time.timestamp()),
        "reason": revision.reason,
        "paths": [entry["path"] for entry in revision.diff],
        "kind": revision.kind,
        "source": revision.source,
        "of_revision": revision.of_revision,
    }


def inspect_revision(cluster_uuid: UUID, number: int) -> dict[str, Any]:
    """Return a revision with its difference, secrets without their value. Raises RevisionNotFound. Queries: one."""
    revision = _find(cluster_uuid, number)
    return {**revision_facts(revision), "diff": revision.diff}


def restore_revision(
    cluster: Cluster,
    number: int,
    actor: Actor,
    *,
    sections: Collection[str] = (),
    secrets: Mapping[str, str] | None = None,
    if_revision: int | None = None,
    reason: str = "",
    confirm_lockout: bool = False,
    confirm_within_seconds: int | None = None,
) -> SettingRevision | None:
    """Bring back what revision `number` left, whole or only `sections`, as one new revision; None when that is so.

    Secrets stay those of now, but for `secrets` (see `restored.changes_of`). Raises RevisionNotFound, and whatever
    `update_settings` raises: an image that is gone and a value that today's rules refuse are InvalidInput.
    """
    pending.take_back_due()  # in a transaction of its own, as in update_settings
    with transaction.atomic():
        cluster = locked(cluster.pk)
        snapshot = _find(cluster.pk, number).snapshot
        changes = changes_of(cluster, snapshot, sections, secrets or {})
        order = Order(if_revision, Note(reason, Kind.RESTORE, number), confirm_lockout, confirm_within_seconds)
        return store(cluster, changes, actor, order)


def _find(cluster_uuid: UUID, number: int) -> SettingRevision:
    revision = SettingRevision.objects.filter(cluster=cluster_uuid, number=number).first()
    if revision is None:
        raise RevisionNotFound("revision", revision=number)
    return revision
