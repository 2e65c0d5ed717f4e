"""Edges of the log-in: what a fault, a race or a crash leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.accounts import hashing
from sysmgr.accounts.models import LoginGuard, Role, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.management import retention
from tests.contract.described import DescribedClient

from .calls import PASSWORD, enter_admin, enter_api, person, policy


def test_a_form_with_a_fault_lets_nobody_in(cluster: Cluster) -> None:
    person()
    answer = enter_admin(otp="x" * 65).answer  # type: ignore[attr-defined]
    assert answer.status_code == 200
    assert not Token.objects.exists() and not AuditRow.objects.filter(action="login").exists()


def test_logging_in_again_in_a_session_ends_what_it_carried(cluster: Cluster) -> None:
    person()
    client = enter_admin()
    client.post("/admin/login/?next=/admin/", {"username": "anna", "password": PASSWORD})
    assert Token.objects.count() == 1 and client.get("/admin/").status_code == 200


def test_somebody_else_in_a_session_ends_what_it_carried(cluster: Cluster) -> None:
    person()
    person("bert", Role.OPERATOR)
    client = enter_admin()
    client.post("/admin/login/?next=/admin/", {"username": "bert", "password": PASSWORD})
    assert [token.user.user_name for token in Token.objects.all()] == ["bert"]


def test_a_password_set_during_a_log_in_refuses_it_with_a_trace(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    person()
    real = hashing.matches

    def meanwhile(password: str, encoded: str) -> bool:
        found = real(password, encoded)
        User.objects.update(password_change_time=timezone.now())
        return found

    monkeypatch.setattr(hashing, "matches", meanwhile)
    assert enter_api().status_code == 401
    assert AuditRow.objects.filter(action="login", result="refused").exists()


def test_a_guard_that_died_goes_too(db: None) -> None:
    old = timezone.now() - timedelta(days=3)
    LoginGuard.objects.create(name_digest="x", user_name="x", source="", last_time=old, claims=1, claim_time=old)
    retention.sweep()
    assert not LoginGuard.objects.exists()


def test_a_long_name_is_unlocked_from_its_row(cluster: Cluster) -> None:
    policy(cluster, login_fail_retry_times=1)
    person()
    enter_api("wrong", "x" * 100)
    client = enter_admin()
    row = LoginGuard.objects.get(user_name__startswith="x")
    client.post(f"/admin/accounts/loginguard/{row.pk}/unlock/")
    assert not LoginGuard.objects.filter(user_name__startswith="x").exists()


def test_ending_somebody_elses_log_in_is_audited(cluster: Cluster) -> None:
    person()
    person("bert", Role.OPERATOR)
    enter_api()
    wanted = Token.objects.get()
    client = DescribedClient(headers={"Authorization": f"Bearer {enter_api(name='bert').json()['data']['token']}"})
    answer = client.post(
        "/v1/authentication/session/end", {"session_uuid": str(wanted.pk)}, content_type="application/json"
    )
    assert answer.status_code == 404
    assert AuditRow.objects.filter(action="session.end", result="refused", user_name="bert").exists()
