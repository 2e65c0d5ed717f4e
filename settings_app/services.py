"""The one writer of settings: every door changes them through here (design §1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from cluster.models import Cluster
from cluster.services import locked
from sysmgr.api.fields import invalid_model
from sysmgr.audit.services import Actor, record
from sysmgr.crypto import MASK
from sysmgr.errors import InvalidInput, Problem
from sysmgr.events.services import emit

from . import models, snmp
from .errors import PasswordNeeded, RevisionConflict
from .login_image import PREFIX, file_of
from .models.base import Section
from .sections import DOCUMENTED, SECTIONS, assignments, changed_columns, difference, render_section, revealed

# What the documents show for endpoint 6, without the mail account.
DEMO_VALUES: dict[str, dict[str, Any]] = {
    "login_policy": {
        "login_fail_retry_times": 1,
        "login_fail_punish_seconds": 1,
        "token_expire_second": 2592000,
    },
    "password_complexity_policy": {"password_minimum_length": 3},
    "front_style_setting": {"login_url": "http://192.168.201.212:8080/#/login"},
}


@transaction.atomic
def create_defaults(cluster: Cluster, actor: Actor, *, demo: bool = False) -> models.SettingRevision:
    """Give a new cluster its sections and revision 1: the models' defaults, or the demo's values."""
    for name, model in SECTIONS.items():
        row = model(cluster=cluster, **(DEMO_VALUES.get(name, {}) if demo else {}))
        row.full_clean()
        row.save(force_insert=True)
    return _revise(cluster, actor, "created", [], 0)


@transaction.atomic
def update_settings(
    cluster: Cluster,
    changes: Mapping[str, Mapping[str, Any]],
    actor: Actor,
    *,
    if_revision: int | None = None,
    reason: str = "",
) -> models.SettingRevision | None:
    """Store `changes` ({section: {key: value}}) as one revision; None when nothing differs.

    Raises RevisionConflict, PasswordNeeded or InvalidInput, and then nothing is stored. Writers without
    `if_revision` wait for each other at the cluster's row and both land.
    """
    locked(cluster.pk)
    current = models.SettingRevision.objects.filter(cluster=cluster).aggregate(n=Max("number"))["n"] or 0
    if if_revision is not None and if_revision != current:
        raise RevisionConflict("if_revision", current=current, expected=if_revision)
    diff: list[dict[str, Any]] = []
    for name in SECTIONS:
        if changes.get(name):
            diff += _change(name, SECTIONS[name]._default_manager.get(cluster=cluster), changes[name])
    return _revise(cluster, actor, reason, diff, current) if diff else None


def _change(name: str, row: Section, changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Change one section's row and return its difference, secrets without their value."""
    before = render_section(row)
    columns = changed_columns(row, assignments(row, changes))
    if isinstance(row, models.MailSetting):
        check_mail_password(row, changes)
    _check_image(columns.get("login_image"))
    for column, value in columns.items():
        setattr(row, column, value)
    _clean(name, row)
    if columns:
        row.save(update_fields=list(columns))
    secrets = [column for column in columns if column == "smtp_password"]
    if isinstance(row, models.SnmpSettings) and "snmps" in changes:
        secrets += snmp.replace_targets(row, changes["snmps"] or [])
        row = models.SnmpSettings.objects.get(pk=row.pk)
    found = difference({name: before}, {name: render_section(row)})
    told = {entry["path"] for entry in found}
    found = [_hushed(entry) if entry["path"] == f"{name}.smtp_password" else entry for entry in found]
    # A secret replaced by another one shows the same mask before and after; it changed all the same.
    return found + [
        {"path": f"{name}.{path}", "from": None, "to": "changed"} for path in secrets if f"{name}.{path}" not in told
    ]


def _check_image(path: str | None) -> None:
    """Raise InvalidInput when a new image's path has the form of an upload's answer, but no file."""
    if path and path.startswith(PREFIX) and file_of(path) is None:
        english = "names an image that is not here (any more); upload it again"
        raise InvalidInput([Problem("front_style_setting.login_image", english, "所指图片不存在，请重新上传")])


def _hushed(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "from": None, "to": "changed"}


def _clean(name: str, row: Section) -> None:
    try:
        row.full_clean(validate_unique=False)
    except ValidationError as error:
        raise invalid_model(error, name, DOCUMENTED) from None


def check_mail_password(row: models.MailSetting, changes: Mapping[str, Any]) -> None:
    """Raise PasswordNeeded when a stored password would go to another server, port or account."""
    moved = any(
        key in changes and changes[key] != getattr(row, key)
        for key in ("smtp_server_ip", "smtp_server_port", "smtp_account")
    )
    if moved and row.smtp_password and changes.get("smtp_password", MASK) == MASK:
        raise PasswordNeeded("mail_setting.smtp_password")


def note_revealed(cluster_uuid: UUID, sections: Mapping[str, Any], actor: Actor) -> None:
    """Write an audit row that names the secrets which `sections` show in clear; none where they show none."""
    paths = revealed(sections)
    if paths:
        record(actor, "secret.reveal", f"cluster {cluster_uuid}", changes=[{"path": path} for path in paths])


def _revise(
    cluster: Cluster, actor: Actor, reason: str, diff: list[dict[str, Any]], current: int
) -> models.SettingRevision:
    sections = {name: model._default_manager.get(cluster=cluster) for name, model in SECTIONS.items()}
    revision = models.SettingRevision.objects.create(
        cluster=cluster,
        number=current + 1,
        author=actor.user_name,
        door=actor.door,
        source=actor.source,
        reason=reason,
        diff=diff,
        snapshot={name: render_section(row) for name, row in sections.items()},
    )
    paths = ", ".join(entry["path"] for entry in diff)
    emit(
        "setting.changed",
        cluster.pk,
        f"{actor.user_name} changed settings of {cluster}: {paths}",
        f"{actor.user_name} 修改了 {cluster} 的设置：{paths}",
        cluster_uuid=cluster.pk,
        revision=revision.number,
    )
    record(actor, "setting.update", f"cluster {cluster.pk} revision {revision.number}", changes=diff)
    return revision
