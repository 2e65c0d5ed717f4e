"""Opening a lock by hand: by command and at the admin, with its trace."""

from __future__ import annotations

import json
from io import StringIO

from django.core.management import call_command
from django.urls import reverse

from cluster.models import Cluster
from sysmgr.accounts.models import LoginGuard, Role
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests.pages import enter

from .calls import enter_api, person, policy


def locked(cluster: Cluster) -> LoginGuard:
    policy(cluster, login_fail_retry_times=1, login_fail_punish_seconds=3000)
    person()
    enter_api("wrong")
    assert enter_api().status_code == 429
    return LoginGuard.objects.get()


def test_the_command_opens_it(cluster: Cluster) -> None:
    locked(cluster)
    for sources in (1, 0):
        out = StringIO()
        call_command("unlock_user", "anna", "--json", stdout=out)
        assert json.loads(out.getvalue()) == {"user_name": "anna", "sources": sources}
    assert AuditRow.objects.filter(action="user.unlock", door="command").count() == 1
    assert Event.objects.filter(kind="account.unlocked").count() == 1
    assert enter_api().status_code == 200


def test_an_administrator_opens_it_at_the_admin(cluster: Cluster) -> None:
    page = reverse("admin:accounts_loginguard_unlock", args=[locked(cluster).pk])
    for role, status in ((Role.OPERATOR, 403), (Role.AUDITOR, 403), (Role.ADMINISTRATOR, 302)):
        assert enter(role).post(page).status_code == status
    assert enter_api().status_code == 200
