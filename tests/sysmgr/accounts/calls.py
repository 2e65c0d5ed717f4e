"""What tests of the log-in share: users with a password, both doors, moving the guard's clock."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.http import HttpResponse
from django.test import Client

from cluster.models import Cluster
from settings_app.models import LoginPolicy
from settings_app.services import update_settings
from sysmgr.accounts.models import LoginGuard, Role, User
from sysmgr.audit.services import SYSTEM
from tests.contract.described import DescribedClient

PASSWORD = "Right-Horse-7-Battery"


def person(name: str = "anna", role: str = Role.ADMINISTRATOR, **fields: Any) -> User:
    """Make a user who can log in with PASSWORD."""
    return User.objects.create_user(name, PASSWORD, role=role, **fields)


def policy(cluster: Cluster, section: str = "login_policy", **values: Any) -> None:
    """Change settings through the service, as any door does."""
    update_settings(cluster, {section: values}, SYSTEM)


def enter_api(password: str = PASSWORD, name: str = "anna", source: str = "192.0.2.7", **more: Any) -> Any:
    """Log in at the API."""
    body = json.dumps({"user": name, "password": password, **more})
    client = DescribedClient(REMOTE_ADDR=source)
    return client.post("/v1/authentication/login", body, content_type="application/json")


def enter_admin(password: str = PASSWORD, name: str = "anna", source: str = "192.0.2.7", **more: Any) -> Client:
    """Log in at the admin; `client.answer` is what the page said."""
    client = Client(REMOTE_ADDR=source)
    form = {"username": name, "password": password, **more}
    client.answer = client.post("/admin/login/?next=/admin/", form)  # type: ignore[attr-defined]
    return client


def statuses(answers: list[HttpResponse]) -> list[int]:
    """Return the status of each."""
    return [answer.status_code for answer in answers]


def let_pass(**time: float) -> None:
    """Move everything that the guard remembers so far into the past."""
    ago = timedelta(**time)
    LoginGuard.objects.update(last_time=F("last_time") - ago, claim_time=F("claim_time") - ago)


def retry_times(cluster: Cluster) -> int:
    """Return what the policy says now."""
    return LoginPolicy.objects.get(cluster=cluster).login_fail_retry_times
