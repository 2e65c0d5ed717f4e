"""Mail in the outbox, and settings that send it, for tests."""

from __future__ import annotations

import socket
from typing import Any

from django.utils import timezone

from cluster.models import Cluster
from settings_app.mail import outbox
from settings_app.models import MailSetting, OutboxMail

RECEIVER = "receiver@example.com"


def configure(cluster: Cluster, port: int, **more: Any) -> None:
    values = {"enabled": True, "smtp_server_ip": "127.0.0.1", "smtp_server_port": port, "sender_mail": "s@example.com"}
    MailSetting.objects.filter(cluster=cluster).update(**{**values, "asynchronous_send_enabled": True, **more})


def queued(cluster: Cluster, *receivers: str, subject: str = "subject", body: str = "a text") -> OutboxMail:
    return outbox.send(cluster, receivers or [RECEIVER], subject, body)[0]


def due_again() -> None:
    OutboxMail.objects.filter(state="waiting").update(next_time=timezone.now())


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
