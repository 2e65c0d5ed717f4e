"""An installation that comes from before the stream had numbers: its events keep their order and are not mailed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from cluster.models import Cluster
from settings_app.models import OutboxMail
from settings_app.notify import notify
from sysmgr.accounts.models import User
from sysmgr.events.models import Cursor, Event
from sysmgr.events.services import emit, number


def migrate(*target: tuple[str, str]) -> Any:
    """Migrate to `target`, or to the newest state of all apps."""
    executor = MigrationExecutor(connection)
    return executor.migrate(list(target) or executor.loader.graph.leaf_nodes()).apps


@pytest.mark.django_db(transaction=True)
def test_old_events_are_numbered_in_their_order_and_count_as_read(cluster: Cluster) -> None:
    User.objects.create_user("a", None, role="administrator", email="a@example.com")
    try:
        old = migrate(("events", "0001_initial")).get_model("events", "Event")
        for n in range(5):
            old.objects.create(
                kind="upgrade.failed", subject=uuid.uuid4(), message=str(n), message_cn="x", cluster_uuid=cluster.pk
            )
    finally:
        migrate()
    told = Event.objects.filter(kind="upgrade.failed").order_by("number").values_list("message", "number")
    assert [message for message, _ in told] == ["0", "1", "2", "3", "4"]
    last = told[4][1]
    assert dict(Cursor.objects.values_list("name", "number")) == {"stream": last, "notify": last}
    notify()
    assert not OutboxMail.objects.exists()
    emit("upgrade.failed", uuid.uuid4(), "new", "x", cluster_uuid=cluster.pk)
    assert number() == 1
    notify()
    assert OutboxMail.objects.count() == 1
    assert Event.objects.latest("id").number == (last or 0) + 1
