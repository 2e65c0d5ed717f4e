"""Changing the rows of the sections, and saying what changed; transaction, revision and audit are the caller's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from cluster.models import Cluster
from sysmgr.api.fields import invalid_model
from sysmgr.crypto import MASK
from sysmgr.errors import InvalidInput, Problem

from . import models, snmp
from .errors import PasswordNeeded
from .login_image import PREFIX, file_of
from .models.base import Section
from .sections import DOCUMENTED, SECTIONS, assignments, changed_columns, difference, render_section

logger = logging.getLogger(__name__)
Diff = list[dict[str, Any]]


def change_sections(cluster: Cluster, changes: Mapping[str, Mapping[str, Any]]) -> Diff:
    """Store `changes` and return [{path, from, to}], secrets without their value; equal values change nothing.

    Raises PasswordNeeded or InvalidInput. Queries: one to read and one to write each section, three for the targets.
    """
    diff: Diff = []
    for name in SECTIONS:
        if changes.get(name):
            diff += _change(name, SECTIONS[name]._default_manager.get(cluster=cluster), changes[name])
    return diff


def put_back(cluster: Cluster, document: Mapping[str, Mapping[str, Any]]) -> tuple[Diff, list[str]]:
    """Store a document that was stored before, as it was and whatever today's rules say.

    Returns the difference, and the sections that the database refused: one of them must not keep the others.
    """
    diff: Diff = []
    refused = []
    for name in SECTIONS:
        if not document.get(name):
            continue
        try:
            with transaction.atomic():
                row = SECTIONS[name]._default_manager.get(cluster=cluster)
                diff += _change(name, row, document[name], checked=False)
        except Exception:
            logger.exception("section %s of cluster %s can't be taken back", name, cluster.pk)
            refused.append(name)
    return diff, refused


def _change(name: str, row: Section, changes: Mapping[str, Any], *, checked: bool = True) -> Diff:
    """Change one section's row and return its difference, secrets without their value."""
    before = render_section(row)
    columns = changed_columns(row, assignments(row, changes))
    if checked and isinstance(row, models.MailSetting):
        check_mail_password(row, changes)
    if checked:
        _check_image(columns.get("login_image"))
    for column, value in columns.items():
        setattr(row, column, value)
    if checked:
        _clean(name, row)
    if columns:
        row.save(update_fields=list(columns))
    secrets = [column for column in columns if column == "smtp_password"]
    if isinstance(row, models.SnmpSettings) and "snmps" in changes:
        secrets += snmp.replace_targets(row, changes["snmps"] or [], checked=checked)
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
