"""The leader's periodic work: it goes on whatever a job does, tells failures without secrets, ends with the lead."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable

import pytest

from cluster.models import Cluster, LeaderLease
from settings_app.models import MailSetting, OutboxMail
from sysmgr import jobs
from sysmgr.accounts.models import User
from sysmgr.errors import NotFound
from sysmgr.events.models import Alert
from sysmgr.events.services import emit
from sysmgr.management import housekeeping
from tests.cluster.test_manager import Start, start, wait_for_leader  # noqa: F401
from tests.settings_app.mail.servers import Mailbox, smtp

WAIT_SECONDS = 60.0
OURS = {
    "event numbers",
    "mail give up",
    "mail notify",
    "mail send",
    "old rows",
    "standing alerts",
    "upgrade alerts",
}


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What the jobs' logger says."""
    monkeypatch.setattr(logging.getLogger("sysmgr"), "propagate", True)
    return caplog


def fails() -> None:
    raise ValueError("password=secret-value")


def refuses() -> None:
    raise NotFound


def test_the_jobs_of_all_apps_are_registered() -> None:
    assert {job.name for job in jobs.registered()} >= OURS


@pytest.mark.parametrize(("work", "named"), [(fails, "ValueError in fails"), (refuses, "NotFound (1005)")])
def test_a_failure_is_told_by_kind_and_place_and_never_by_its_values(
    db: None, said: pytest.LogCaptureFixture, work: Callable[[], None], named: str
) -> None:
    assert not housekeeping.turn(jobs.Job("x", 1, work))
    assert "job x failed" in said.text and named in said.text
    assert "secret-value" not in said.text
    assert housekeeping.turn(jobs.Job("x", 1, lambda: None))


@pytest.mark.django_db(transaction=True)
def test_a_job_comes_again_after_a_failure_and_rests_while_nobody_leads() -> None:
    stop, leads, calls = threading.Event(), threading.Event(), []

    def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError
        stop.set()

    thread = threading.Thread(target=housekeeping.keep, args=(jobs.Job("x", 0.01, work), leads.is_set, stop))
    thread.start()
    try:
        assert not stop.wait(0.2) and calls == []
        leads.set()
        assert stop.wait(WAIT_SECONDS)
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
    assert len(calls) == 2


@pytest.mark.django_db(transaction=True)
def test_a_job_that_hangs_delays_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hang, other = threading.Event(), threading.Event()
    both = [jobs.Job("hangs", 1, lambda: void(hang.wait(WAIT_SECONDS))), jobs.Job("other", 1, other.set)]
    monkeypatch.setattr(jobs, "registered", lambda: both)
    leads = threading.Event()
    leads.set()
    housekeeping.start(leads.is_set)
    assert other.wait(WAIT_SECONDS)
    leads.clear()
    hang.set()


def void(value: object) -> None:
    """Forget a value."""


@pytest.mark.django_db(transaction=True)
def test_a_running_manager_numbers_mails_and_keeps_its_lead(cluster: Cluster, start: Start) -> None:  # noqa: F811
    User.objects.create_user("a", None, role="administrator", email="a@example.com")
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        MailSetting.objects.filter(cluster=cluster).update(
            enabled=True, smtp_server_ip="127.0.0.1", smtp_server_port=port, sender_mail="s@example.com"
        )
        start("127.0.0.1")
        wait_for_leader("127.0.0.1")
        event = emit("upgrade.failed", uuid.uuid4(), "x", "x", cluster_uuid=cluster.pk)
        deadline = time.monotonic() + WAIT_SECONDS
        upgrade = OutboxMail.objects.filter(state="sent", subject__contains="upgrade")
        while not upgrade.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
    event.refresh_from_db()
    # The day's head of the audit goes out beside it.
    told = [message["To"] for message in mailbox.messages if "audit head" not in str(message["Subject"])]
    assert told == ["a@example.com"]
    assert event.number and LeaderLease.objects.get().term == 1
    assert not Alert.objects.filter(key__startswith="mail").exists()
