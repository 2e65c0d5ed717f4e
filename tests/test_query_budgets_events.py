"""What the reads of events, alerts and mail cost in queries, at one row and at 1,000, and what idle jobs cost."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cluster.models import Cluster
from settings_app.models import MailSetting, OutboxMail
from sysmgr.events.models import Alert, Event
from sysmgr.events.services import number
from sysmgr.jobs import registered
from upgrades.models import UpgradeRun

# Each entry names its queries; the first one is always the gate's.
BUDGETS = {
    "upgrade/event/list?page_size=1000": 4,  # gate · whether some wait for a number · count · page
    "upgrade/event/list?upgrade_uuid={run}&page_size=1000": 5,  # gate · run · waiting · count · page
    "alert/list?page_size=1000": 3,  # gate · count · page
    "mail/outbox/list?page_size=1000": 3,  # gate · count · page
    "mail/outbox/inspect?mail_uuid={mail}": 2,  # gate · mail
}
# Turns with nothing to do: each is called every few seconds.
IDLE = {
    "event numbers": 1,  # whether some wait
    "mail notify": 3,  # whether some wait for a number · cursor · whether there are unread ones
    "mail send": 7,  # ended claims · time · due · (time, PostgreSQL) · failed ones · open alerts
    "upgrade alerts": 6,  # paused, failed, unproven: runs and open alerts each
}


@pytest.fixture(params=[1, 1000])
def run(request: pytest.FixtureRequest, cluster: Cluster) -> UpgradeRun:
    """A run with so many events; so many alerts and mails."""
    now, many = timezone.now(), range(request.param)
    run = UpgradeRun.objects.create(cluster=cluster, author="x")
    Event.objects.bulk_create(Event(kind="upgrade.x", subject=run.pk, message="x", message_cn="x") for _ in many)
    Alert.objects.bulk_create(Alert(key=str(n), message="x", open_time=now, last_time=now) for n in many)
    OutboxMail.objects.bulk_create(
        OutboxMail(cluster=cluster, receiver="r@example.com", subject="s", body="b", create_time=now, next_time=now)
        for _ in many
    )
    MailSetting.objects.filter(cluster=cluster).update(enabled=False)
    assert number() >= len(many)
    return run


@pytest.mark.parametrize("path", BUDGETS)
def test_a_read_stays_within_its_budget(api: Client, run: UpgradeRun, path: str) -> None:
    mail = OutboxMail.objects.values_list("pk", flat=True)[0]
    address = f"/v1/system/{path.format(run=run.pk, mail=mail)}"
    with CaptureQueriesContext(connection) as queries:
        answer = api.get(address)
    assert answer.status_code == 200, answer.content
    assert len(queries) <= BUDGETS[path], [query["sql"][:90] for query in queries]


@pytest.mark.parametrize("name", IDLE)
def test_a_turn_with_nothing_to_do_stays_within_its_budget_and_writes_nothing(run: UpgradeRun, name: str) -> None:
    job = next(job for job in registered() if job.name == name)
    job.function()
    with CaptureQueriesContext(connection) as queries:
        job.function()
    assert len(queries) <= IDLE[name], [query["sql"][:90] for query in queries]
    said = [query["sql"].split()[0] for query in queries]
    assert set(said) == {"SELECT"}, said


def test_numbers_for_many_events_take_few_statements(cluster: Cluster) -> None:
    number()
    Event.objects.bulk_create(Event(kind="x.y", subject=uuid.uuid4(), message="x", message_cn="x") for _ in range(1000))
    with CaptureQueriesContext(connection) as queries:
        assert number() == 1000
    assert len(queries) <= 40
