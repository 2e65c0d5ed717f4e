"""Mail about upgrades: each administrator with an address hears of each end, failure and pause, once."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from cluster.models import Cluster
from settings_app import notify
from settings_app.mail import sender
from settings_app.models import MailSetting, OutboxMail
from sysmgr.accounts.models import User
from sysmgr.events.models import Cursor, Event
from sysmgr.events.services import emit, number
from tests.conftest import client_of
from tests.settings_app.mail.servers import Mailbox, smtp
from tests.together import at_once
from tests.upgrades.conftest import demo_cluster  # noqa: F401
from tests.upgrades.engine.drive import ask, broken_package, drive

FAILS = '[services.compute.commands.status]\nargv = ["false"]\nseconds = 1\n'


@pytest.fixture
def people(db: None) -> None:
    """Two administrators with an address, and everybody who must hear nothing."""
    for name, role, email, active in [
        ("a", "administrator", "a@example.com", True),
        ("b", "administrator", "b@example.com", True),
        ("none", "administrator", "", True),
        ("gone", "administrator", "gone@example.com", False),
        ("op", "operator", "op@example.com", True),
    ]:
        User.objects.create_user(name, None, role=role, email=email, is_active=active)


def happened(cluster: Cluster | None, kind: str = "upgrade.failed") -> Event:
    uuid_ = cluster.pk if cluster else None
    return emit(kind, uuid.uuid4(), "It happened.", "已发生。", cluster_uuid=uuid_)


def receivers() -> list[str]:
    return sorted(OutboxMail.objects.values_list("receiver", flat=True))


@pytest.mark.parametrize("kind", ["upgrade.succeeded", "upgrade.failed", "upgrade.paused", "upgrade.cancelled"])
def test_each_administrator_with_an_address_gets_one_mail_that_says_what_to_do(
    cluster: Cluster, people: None, kind: str
) -> None:
    event = happened(cluster, kind)
    notify.notify()
    notify.notify()
    assert receivers() == ["a@example.com", "b@example.com"]
    mail = OutboxMail.objects.first()
    assert mail is not None
    text = mail.body.reveal()
    for needed in (str(event.subject), "It happened.", "已发生。", f"upgrade_uuid={event.subject}", str(cluster.pk)):
        assert needed in text
    assert ("POST /v1/system/upgrade/" in text) == (kind != "upgrade.succeeded")
    assert "upgrade" in mail.subject and "升级" in mail.subject


@pytest.mark.parametrize(
    ("kind", "english", "chinese"),
    [("backup", "backup", "备份"), ("restore", "restore", "恢复"), ("x", "upgrade", "升级")],
)
def test_the_mail_says_what_the_run_was_for(
    cluster: Cluster, people: None, kind: str, english: str, chinese: str
) -> None:
    emit("upgrade.failed", uuid.uuid4(), "x", "x", cluster_uuid=cluster.pk, run_kind=kind)
    notify.notify()
    assert set(OutboxMail.objects.values_list("subject", flat=True)) == {
        f"sysmgr demo: {english} has failed / {chinese}失败"
    }


def test_other_events_and_those_of_no_cluster_make_no_mail(cluster: Cluster, people: None) -> None:
    happened(cluster, "upgrade.running")
    happened(cluster, "setting.changed")
    happened(None)
    emit("upgrade.failed", uuid.uuid4(), "x", "x", cluster_uuid=uuid.uuid4())
    notify.notify()
    assert receivers() == []
    assert Cursor.objects.get(name=Cursor.NOTIFY).number == Event.objects.order_by("-number")[0].number


def test_what_happened_before_the_first_start_is_not_mailed(cluster: Cluster, people: None) -> None:
    happened(cluster)
    # As the migration leaves it.
    Cursor.objects.update_or_create(name=Cursor.NOTIFY, defaults={"number": number()})
    notify.notify()
    assert receivers() == []


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_mail_and_note_leaves_neither(
    cluster: Cluster, people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(cluster)

    def dies(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Cursor, "save", dies)
        notify.notify()
    assert receivers() == []
    notify.notify()
    assert receivers() == ["a@example.com", "b@example.com"]


@pytest.mark.django_db(transaction=True)
def test_two_leaders_at_once_write_each_mail_once(cluster: Cluster, people: None) -> None:
    for _ in range(5):
        happened(cluster)
    at_once([notify.notify] * 4)
    assert OutboxMail.objects.count() == 10


def test_while_mail_is_off_only_so_many_pile_up(
    cluster: Cluster, people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "MOST_WAITING", 4)
    for _ in range(5):
        happened(cluster)
    notify.notify()
    assert OutboxMail.objects.count() == 4
    assert Cursor.objects.get(name=Cursor.NOTIFY).number == Event.objects.order_by("-number")[0].number


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ends", "services"), [("succeeded", ["storage"]), ("failed", ["compute"]), ("paused", ["compute", "storage"])]
)
def test_a_real_run_is_mailed_by_a_real_server(
    demo_cluster: Cluster,  # noqa: F811
    term: int,
    people: None,
    tmp_path: Path,
    ends: str,
    services: list[str],
) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        MailSetting.objects.filter(cluster=demo_cluster).update(
            enabled=True, smtp_server_ip="127.0.0.1", smtp_server_port=port, sender_mail="s@example.com"
        )
        if ends != "succeeded":
            broken_package(demo_cluster, tmp_path, "2.0", FAILS)
        run = drive(ask(demo_cluster, *services), term)
        assert run.state == ends
        for _ in range(2):
            notify.notify()
            sender.send_due()
    assert sorted(message["To"] for message in mailbox.messages) == ["a@example.com", "b@example.com"]
    for message in mailbox.messages:
        assert ends in message["Subject"] and str(run.pk) in message.get_content()


def test_operators_see_that_it_was_sent(cluster: Cluster, people: None) -> None:
    happened(cluster)
    notify.notify()
    listed = client_of("operator").get("/v1/system/mail/outbox/list").json()["data"]
    assert listed["total_count"] == 2
