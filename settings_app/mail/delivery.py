"""Sending with a cluster's mail settings: what is stored, with what a caller gives in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from cluster.models import Cluster
from settings_app.models import MailSetting
from settings_app.sections import changed_columns
from settings_app.services import check_mail_password
from sysmgr.api.fields import invalid_model
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem, SysmgrError

from .sender import server_of
from .smtp import build_message, send


def send_test(cluster: Cluster, given: Mapping[str, Any], receiver: str, actor: Actor) -> None:
    """Send one test mail now, within 20 s; nothing is stored. Raises InvalidInput or a mail error (502, 504)."""
    row = MailSetting.objects.get(cluster=cluster)
    check_mail_password(row, given)
    for column, value in changed_columns(row, given).items():
        setattr(row, column, value)
    try:
        row.full_clean(validate_unique=False)
    except ValidationError as error:
        raise invalid_model(error, "") from None
    missing = [key for key in ("smtp_server_ip", "sender_mail") if not getattr(row, key)]
    if missing:
        text = "is needed to send mail"
        raise InvalidInput([Problem(key, text, "发送邮件时必须提供") for key in missing])
    message = build_message(
        sender_mail=row.sender_mail,
        sender_name=row.sender_name,
        receiver=receiver,
        subject="sysmgr: test mail / 测试邮件",
        text="This is a test mail of sysmgr. The mail settings work.\n这是 sysmgr 的测试邮件，邮件设置有效。\n",
    )
    try:
        send(server_of(row), message, row.sender_mail, [receiver])
    except SysmgrError:
        record(actor, "mail.test", f"cluster {cluster.pk}", result="failed")
        raise
    record(actor, "mail.test", f"cluster {cluster.pk}")
