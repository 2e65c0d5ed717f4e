"""The first password: in a file of its own until it is changed, at whichever door."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts.models import User
from sysmgr.accounts.passwords import first_password_file
from sysmgr.management.setup_steps import first_administrator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    """The first administrator, as set-up makes him."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    first_administrator()
    return User.objects.get()


def test_it_is_made_once_and_only_its_owner_can_read_it(admin: User) -> None:
    first = first_password_file().read_text()
    first_administrator()
    assert first_password_file().read_text() == first
    assert first_password_file().stat().st_mode & 0o777 == 0o600
    assert admin.check_password(first.strip())


def test_the_file_goes_when_the_password_is_changed(admin: User, cluster: Cluster) -> None:
    first = first_password_file().read_text().strip()
    client = Client()
    assert client.login(username="admin", password=first)
    form = {"old_password": first, "new_password1": "another one", "new_password2": "another one"}
    assert client.post("/admin/password_change/", form).status_code == 302
    assert not first_password_file().exists()


def test_the_file_stays_when_somebody_elses_is_changed() -> None:
    User.objects.create_user("somebody", "else")
    assert first_password_file().exists()


def test_the_bare_address_leads_to_the_admin() -> None:
    assert Client().get("/")["Location"] == "/admin/"
