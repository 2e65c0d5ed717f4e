"""Writing events, in the transaction that causes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from .models import Event


def emit(
    kind: str,
    subject: UUID,
    message: str,
    message_cn: str,
    *,
    cluster_uuid: UUID | None = None,
    severity: str = Event.Severity.INFO,
    **data: Any,
) -> Event:
    """Append one event; both texts are cut at 1,024 characters."""
    return Event.objects.create(
        kind=kind,
        subject=subject,
        message=message[:1024],
        message_cn=message_cn[:1024],
        cluster_uuid=cluster_uuid,
        severity=severity,
        data=data,
    )
