"""What tests of users and passwords share: callers at both doors, ages of passwords, links and what opens them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from settings_app.services import update_settings
from sysmgr.accounts.models import User
from sysmgr.audit.services import SYSTEM
from tests.contract.described import DescribedClient

from .calls import PASSWORD, enter_api

SECTION = "password_complexity_policy"
NEXT = "Other-Horse-8-Battery"
CHANGE = "authentication/password/change"


def rules(cluster: Cluster, **values: Any) -> None:
    """Change the password rules through the service, as any door does."""
    update_settings(cluster, {SECTION: values}, SYSTEM)


def aged(user: User, **time: float) -> User:
    """Let the user's password have been set so long ago."""
    User.objects.filter(pk=user.pk).update(password_change_time=timezone.now() - timedelta(**time))
    user.refresh_from_db()
    return user


def caller(name: str = "anna", password: str = PASSWORD) -> Client:
    """Return a client with the token of a new log-in."""
    answer = enter_api(password, name)
    assert answer.status_code == 200, answer.content
    token = json.loads(answer.content)["data"]["token"]
    return DescribedClient(headers={"Authorization": f"Bearer {token}"}, REMOTE_ADDR="192.0.2.7")


def post(client: Client, path: str, body: Any) -> Any:
    """Post to a path below /v1/."""
    return client.post(f"/v1/{path}", json.dumps(body), content_type="application/json")


def change(client: Client, old: str = PASSWORD, new: str = NEXT) -> Any:
    """Change one's own password at the API."""
    return post(client, CHANGE, {"old_password": old, "new_password": new})


def change_page(client: Client, old: str = PASSWORD, new: str = NEXT) -> Any:
    """Change one's own password at the admin."""
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/admin/password_change/", form)


def logged_in(name: str = "anna", password: str = PASSWORD) -> Any:
    """Return what the API says to a log-in."""
    answer: HttpResponse = enter_api(password, name)
    return json.loads(answer.content)["data"]


def restricted(client: Client) -> bool:
    """Tell whether a token can only change the password."""
    return bool(client.get("/v1/system/version").status_code == 403)


def token_of(link: str) -> str:
    """Return the random part of a one-time link."""
    return link.partition("?link=")[2]


def use(link: str, password: str = NEXT, client: Client | None = None) -> Any:
    """Set a password through a one-time link."""
    form = {"link": token_of(link), "password": password, "again": password}
    return (client or Client(REMOTE_ADDR="192.0.2.9")).post("/password", form)
