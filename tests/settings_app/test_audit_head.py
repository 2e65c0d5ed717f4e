"""The audit's head goes to the auditors by mail, once a day, and to administrators where there is no auditor."""

from __future__ import annotations

import pytest

from cluster.models import Cluster
from settings_app.models import MailSetting, OutboxMail
from settings_app.notify import notify
from sysmgr.accounts.models import Role, User
from sysmgr.audit import anchors
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM, record
from sysmgr.events.models import Cursor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def people(cluster: Cluster) -> None:
    """An administrator and an auditor with addresses; the cluster can send mail."""
    anchors.heads_file().unlink(missing_ok=True)
    for name, role in (("root", Role.ADMINISTRATOR), ("eve", Role.AUDITOR), ("old", Role.AUDITOR)):
        User.objects.create_user(name, None, role=role, email=f"{name}@example.com", is_active=name != "old")
    server = {"smtp_server_ip": "127.0.0.1", "sender_mail": "s@example.com"}
    MailSetting.objects.update(enabled=True, asynchronous_send_enabled=True, **server)
    record(SYSTEM, "test", "newest")


def told() -> list[str]:
    """Write the head down, let it be mailed, and return who gets a mail."""
    anchors.write_daily()
    notify()
    return list(OutboxMail.objects.order_by("receiver").values_list("receiver", flat=True))


def test_auditors_get_the_digest_once_a_day() -> None:
    assert told() == told() == ["eve@example.com"]
    head = AuditRow.objects.get(seq=max(anchors.read()))
    mail = OutboxMail.objects.get()
    assert head.digest in mail.body.reveal() and str(head.seq) in mail.subject
    Cursor.objects.filter(name="audit_head").update(number=1)  # another day
    assert told() == ["eve@example.com"] * 2


def test_without_an_auditor_administrators_do() -> None:
    User.objects.filter(role=Role.AUDITOR).update(email="")
    assert told() == ["root@example.com"]


def test_while_mail_is_off_only_the_file_has_it() -> None:
    MailSetting.objects.update(enabled=False)
    assert told() == [] and anchors.read()
