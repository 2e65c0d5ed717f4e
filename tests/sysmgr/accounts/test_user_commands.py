"""Users and passwords by command: the same services, rules, audit and events as at the other doors."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts.models import Role, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event

from .calls import PASSWORD, enter_api, person
from .people import NEXT, caller, change, logged_in, restricted, rules, use

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Path:
    """A data directory of the test's own, and nobody at the keyboard."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return tmp_path


def run(*words: str) -> Any:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def types(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    given = iter(answers)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(given))


def trace() -> list[tuple[str, str]]:
    told = [(row.action, row.object) for row in AuditRow.objects.filter(door="command").order_by("seq")]
    kinds = Event.objects.filter(kind__startswith="account.").order_by("id").values_list("kind", "data__user_name")
    return [*told, *kinds]


def test_ours_stand_before_djangos() -> None:
    ours = {name for name, app in get_commands().items() if str(app) == "sysmgr"}
    assert {"changepassword", "createsuperuser", "create_admin", "user_create", "reset_password"} <= ours


def test_a_user_is_made_with_a_link_a_file_or_a_made_up_password(data: Path) -> None:
    facts = run("user_create", "anna", "--role", "operator", "--email", "anna@example.com")
    assert (facts["role"], facts["email"], facts["enabled"]) == ("operator", "anna@example.com", True)
    assert b"is set" in use(facts["password_link"]).content and not restricted(caller(password=NEXT))
    (data / "secret").write_text(f"{PASSWORD}\n")
    run("user_create", "bert", "--password-file", str(data / "secret"), "--disabled")
    assert not User.objects.get(user_name="bert").is_active
    file = Path(run("user_create", "carl", "--generate")["password_file"])
    assert file.stat().st_mode & 0o777 == 0o600 and logged_in("carl", file.read_text().strip())
    assert trace()[0] == ("user.create", "user anna") and ("account.created", "carl") in trace()


def test_a_user_is_changed_listed_and_removed() -> None:
    person("boss")
    person("anna", Role.OPERATOR)
    caller()
    facts = run("user_update", "anna", "--role", "auditor", "--disable", "--must-change-password")
    assert (facts["role"], facts["enabled"]) == ("auditor", False) and not Token.objects.exists()
    found = {user["user_name"]: user for user in run("user_list")}
    assert found["anna"]["must_change_password"] and not found["anna"]["enabled"] and found["boss"]["enabled"]
    out = io.StringIO()
    call_command("user_list", stdout=out)
    assert out.getvalue().splitlines()[0] == "anna  auditor  -  must_change_password  disabled"
    assert run("user_remove", "anna")["removed"] and not User.objects.filter(user_name="anna").exists()
    assert trace() == [
        ("user.update", "user anna"),
        ("user.remove", "user anna"),
        ("account.disabled", "anna"),
        ("account.role_changed", "anna"),
        ("account.removed", "anna"),
    ]


@pytest.mark.alike
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("user_remove", "anna"), "the last administrator"),
        (("user_update", "anna", "--disable"), "the last administrator"),
        (("user_update", "anna", "--role", "auditor"), "the last administrator"),
        (("user_remove", "nobody"), "no such user"),
        (("reset_password", "nobody"), "no such user"),
        (("changepassword", "nobody"), "no such user"),
        (("user_create", "anna"), "There is a user"),
        (("createsuperuser", "--user_name", "anna", "--noinput"), "There is a user"),
        (("createsuperuser", "--noinput"), "pass --user_name"),
        (("changepassword", "anna"), "nobody can be asked"),
        (("reset_password", "anna", "--password-file", "/no/such"), "can't read"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error_and_no_trace(data: Path, words: tuple[str, ...], told: str) -> None:
    person()
    with pytest.raises(CommandError, match=told) as error:
        run(*words)
    assert "\n" not in str(error.value) and trace() == [] and list(data.iterdir()) == []
    assert enter_api().status_code == 200


def test_a_password_is_reset_to_a_made_up_one_that_must_be_changed(cluster: Cluster) -> None:
    rules(cluster, password_minimum_length=60, password_must_include_special_char=True)
    person()
    client = caller()
    file = Path(run("reset_password", "anna")["password_file"])
    password = file.read_text().strip()
    assert len(password) == 60 and file.stat().st_mode & 0o777 == 0o600
    assert client.get("/v1/system/version").status_code == 401
    assert enter_api(source="192.0.2.8").status_code == 401
    fresh = caller("anna", password)
    assert restricted(fresh) and change(fresh, password, "A" * 30 + "b" * 30).status_code == 200
    assert not file.exists() and not restricted(fresh)
    assert ("user.update", "user anna") in trace() and ("account.password_reset", "anna") in trace()
    assert password not in str(list(AuditRow.objects.values()) + list(Event.objects.values()))


def test_a_password_is_reset_by_file_or_link(data: Path) -> None:
    person()
    (data / "secret").write_text(f"{NEXT}\n")
    run("reset_password", "anna", "--password-file", str(data / "secret"))
    assert restricted(caller(password=NEXT))
    link = run("reset_password", "anna", "--link")["password_link"]
    assert b"is set" in use(link, "A-third-1-entirely").content
    assert not restricted(caller(password="A-third-1-entirely"))


def test_djangos_changepassword_keeps_the_rules_and_leaves_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    person()
    types(monkeypatch, "football", "football", NEXT, "differs", NEXT, NEXT)
    for told in ("password: ", "differ"):
        with pytest.raises(CommandError, match=told):
            run("changepassword", "anna")
    assert trace() == []
    run("changepassword", "anna")
    assert not restricted(caller(password=NEXT))
    assert trace() == [("user.update", "user anna"), ("account.password_reset", "anna")]


def test_djangos_createsuperuser_keeps_the_rules_and_leaves_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    types(monkeypatch, "football", "football", PASSWORD, PASSWORD)
    with pytest.raises(CommandError, match="password: "):
        run("createsuperuser", "--user_name", "anna")
    facts = run("createsuperuser", "--user_name", "anna", "--email", "anna@example.com")
    assert facts["role"] == "administrator" and not restricted(caller())
    file = Path(run("createsuperuser", "--user_name", "bert", "--noinput")["password_file"])
    assert logged_in("bert", file.read_text().strip())
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEXT)
    run("createsuperuser", "--user_name", "carl", "--noinput")
    assert logged_in("carl", NEXT)
    assert trace().count(("account.created", "bert")) == 1 and ("user.create", "user carl") in trace()
