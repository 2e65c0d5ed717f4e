"""Old rows go and young ones stay; nothing that somebody still has to read goes; `doctor` says what is there."""

from __future__ import annotations

import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from cluster.models import Cluster
from settings_app.mail import outbox
from settings_app.models import OutboxMail
from settings_app.notify import notify
from sysmgr import env
from sysmgr.accounts import tokens
from sysmgr.accounts.models import Token, User
from sysmgr.api.models import IdempotencyKey
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM, record
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert
from sysmgr.events.models import Alert, Event
from sysmgr.events.services import emit, number
from sysmgr.management import retention
from tests.together import at_once
from upgrades.models import StepLog, UpgradeItem, UpgradeRun

DAY = timedelta(days=1)


def events(count: int, age: timedelta) -> None:
    for n in range(count):
        emit("x.y", uuid.uuid4(), str(n), str(n))
    Event.objects.update(time=timezone.now() - age)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only three events stay whatever their age, and two go at a time."""
    monkeypatch.setattr(retention, "NEWEST_EVENTS", 3)
    monkeypatch.setattr(retention, "BATCH", 2)


def test_old_events_go_but_the_newest_stay(db: None, few: None) -> None:
    events(10, DAY * (env.EVENT_DAYS + 1))
    notify()
    retention.sweep()
    assert list(Event.objects.order_by("number").values_list("number", flat=True)) == [8, 9, 10]
    emit("x.y", uuid.uuid4(), "new", "new")
    number()
    assert Event.objects.latest("id").number == 11


def test_young_events_stay(db: None, few: None) -> None:
    events(10, DAY * (env.EVENT_DAYS - 1))
    notify()
    retention.sweep()
    assert Event.objects.count() == 10


def test_events_without_a_number_and_those_not_mailed_yet_stay_whatever_their_age(db: None, few: None) -> None:
    events(10, DAY * 1000)
    retention.sweep()
    number()
    retention.sweep()
    assert Event.objects.count() == 10


def test_a_turn_is_bounded_and_the_next_one_goes_on(db: None, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_MOST_BATCHES", 2)
    events(10, DAY * 1000)
    notify()
    retention.sweep()
    assert Event.objects.count() == 6
    retention.sweep()
    assert Event.objects.count() == 3


def test_each_kind_goes_after_its_time_and_the_audit_never(cluster: Cluster) -> None:
    now = timezone.now()
    user = User.objects.create_user("u", None)
    for name in ("old", "young"):
        tokens.issue(user, name, 60)
        IdempotencyKey.objects.create(user=user, path="/v1/x", key=name, body_digest="b")
        Session.objects.create(session_key=name, session_data="x", expire_date=now + DAY)
        raise_alert(name, Trouble("x", "x"))
        clear_alert(name)
        mail = outbox.queue(cluster, [f"{name}@example.com"], "s", "b")[0]
        OutboxMail.objects.filter(pk=mail.pk).update(state="sent", next_time=None, end_time=now)
    raise_alert("open", Trouble("x", "x"))
    Alert.objects.update(open_time=now - DAY * 1000)
    outbox.queue(cluster, ["waiting@example.com"], "s", "b")
    OutboxMail.objects.update(create_time=now - DAY * 1000)
    Token.objects.filter(source="old").update(
        create_time=F("create_time") - DAY, expire_time=now - timedelta(minutes=1)
    )
    IdempotencyKey.objects.filter(key="old").update(create_time=now - timedelta(hours=25))
    Session.objects.filter(pk="old").update(expire_date=now - DAY)
    Alert.objects.filter(key="old").update(close_time=now - DAY * (env.ALERT_DAYS + 1))
    OutboxMail.objects.filter(receiver="old@example.com").update(end_time=now - DAY * (env.MAIL_DAYS + 1))
    record(SYSTEM, "x", "y")
    audit = AuditRow.objects.count()
    retention.sweep()
    assert list(Token.objects.values_list("source", flat=True)) == ["young"]
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["young"]
    assert list(Session.objects.values_list("pk", flat=True)) == ["young"]
    assert sorted(Alert.objects.values_list("key", flat=True)) == ["open", "young"]
    receivers = sorted(OutboxMail.objects.values_list("receiver", flat=True))
    assert receivers == ["waiting@example.com", "young@example.com"]
    assert AuditRow.objects.count() == audit


@pytest.mark.django_db(transaction=True)
def test_swept_by_two_at_once_it_comes_to_the_same(few: None) -> None:
    events(20, DAY * 1000)
    notify()
    at_once([retention.sweep] * 3)
    assert list(Event.objects.order_by("number").values_list("number", flat=True)) == [18, 19, 20]


def test_doctor_says_what_is_there_and_for_how_long(db: None) -> None:
    events(2, DAY * 5)
    out = StringIO()
    with pytest.raises(CommandError):  # nobody leads here
        call_command("doctor", stdout=out)
    line = next(line for line in out.getvalue().splitlines() if " rows: " in line)
    assert f"events: 2, oldest 5 d (kept {env.EVENT_DAYS} days, the newest 10,000 always)" in line
    for kind in ("closed alerts", "ended mail", "tokens", "idempotency keys", "admin sessions", "audit", "stderr"):
        assert kind in line


def test_step_logs_go_with_time_and_with_number(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run that goes on they stay, unless there are too many of all."""
    old, now = timezone.now() - DAY * (env.EVENT_DAYS + 1), timezone.now()

    def logs(place: int, **run: object) -> UpgradeItem:
        made = UpgradeRun.objects.create(cluster=cluster, **run)
        item = UpgradeItem.objects.create(run=made, ordinal=place, service_type="cloud")
        for begin in (old, now):
            StepLog.objects.create(item=item, task=item.task, step="push", begin_time=begin, seconds=1)
        return item

    ended, goes_on = logs(0, state="succeeded", end_time=now), logs(1)
    retention.sweep()
    assert (ended.logs.count(), goes_on.logs.count()) == (1, 2)
    monkeypatch.setattr(retention, "MOST_STEP_LOGS", 1)
    retention.sweep()
    assert (ended.logs.count(), goes_on.logs.count()) == (0, 1)
