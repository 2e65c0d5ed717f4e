"""`manage.py create_admin`: one more administrator, whose password is never an argument."""

from __future__ import annotations

import io
import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts.models import Role, User
from sysmgr.audit.models import AuditRow
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of the test's own, and nobody at the keyboard."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return tmp_path


def create(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("create_admin", *words, "--json", stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


def may_come_in(user_name: str, password: str) -> bool:
    body = json.dumps({"user": user_name, "password": password})
    return Client().post("/v1/authentication/login", body, content_type="application/json").status_code == 200


def test_a_made_up_password_lies_in_a_private_file_until_it_is_changed(data: Path, cluster: Cluster) -> None:
    facts = create("anna", "--email", "anna@example.com", "--generate")
    user = User.objects.get()
    assert (facts["role"], facts["email"], facts["user_uuid"]) == (Role.ADMINISTRATOR, user.email, str(user.pk))
    file = Path(facts["password_file"])
    assert file.parent == data and file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    assert may_come_in("anna", password)
    row = AuditRow.objects.get(action="user.create")
    assert (row.door, row.object) == ("command", "user anna") and password not in json.dumps(row.changes)
    client = Client()
    assert client.login(username="anna", password=password)
    form = {"old_password": password, "new_password1": "another one", "new_password2": "another one"}
    assert client.post("/admin/password_change/", form).status_code == 302
    assert not file.exists()


def test_the_password_comes_from_a_file_or_standard_input(
    data: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "secret").write_text(" a long one \n")
    assert create("anna", "--password-file", str(data / "secret"))["password_file"] is None
    monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe\r\n"))
    create("bert", "--password-file", "-")
    assert may_come_in("anna", " a long one ") and may_come_in("bert", "from a pipe")


def test_at_a_terminal_it_asks_twice(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    answers = iter(["a long one", "another", "a long one", "a long one"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    with pytest.raises(CommandError, match="differ"):
        create("anna")
    assert not User.objects.exists()
    create("anna")
    assert may_come_in("anna", "a long one")


@pytest.mark.parametrize("name", ["a/../../b", "中文", "a b"])
def test_a_name_that_is_no_file_name_gets_a_file_all_the_same(data: Path, name: str) -> None:
    file = Path(create(name, "--generate")["password_file"])
    assert file.parent == data and file.is_file()


@pytest.mark.alike
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("there", "--generate"), "user_name: There is a user"),
        (("x" * 65, "--generate"), "user_name: "),
        (("", "--generate"), "user_name: "),
        (("a\x00b", "--generate"), "user_name: "),
        (("anna", "--generate", "--email", "no address"), "email: "),
        (("anna", "--password-file", "/no/such"), "can't read /no/such"),
        (("anna", "--password-file", "-"), "password: "),
        (("anna",), "nobody can be asked here"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(data: Path, words: tuple[str, ...], told: str) -> None:
    User.objects.create_user("there", "a-long-password")
    with pytest.raises(CommandError, match=told) as error:
        create(*words)
    assert "\n" not in str(error.value)
    assert User.objects.count() == 1
    assert list(data.iterdir()) == []


def test_of_two_at_once_one_is_made() -> None:
    def one() -> str:
        try:
            return str(create("anna", "--generate")["password_file"])
        except CommandError as error:
            return str(error)

    told = at_once([one, one])
    assert sorted("There is a user" in text for text in told) == [False, True]
    password = Path(next(text for text in told if "There is" not in text)).read_text().strip()
    assert User.objects.get().check_password(password)
