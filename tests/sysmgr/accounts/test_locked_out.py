"""docs/locked-out.md: its own lines, typed where everything that can be shut is shut, and what it quotes."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts.models import SecondFactor, User
from sysmgr.api.schema import product_errors
from sysmgr.audit.models import AuditRow

from .calls import PASSWORD, enter_api, person, policy
from .factors import enrol
from .people import aged, rules, use

DOCUMENT = (env.BASE_DIR / "docs" / "locked-out.md").read_text()
LINES = re.findall(r"^ {4}\.venv/bin/python manage\.py (.*)$", DOCUMENT, re.MULTILINE)


def type_in(line: str) -> str:
    """Run one line of the document and return what it printed."""
    out = io.StringIO()
    call_command(*shlex.split(line), stdout=out)
    return out.getvalue()


def lines(about: str) -> list[str]:
    """Return the lines of one section."""
    section = DOCUMENT.partition(f"\n## {about}")[2].partition("\n## ")[0]
    found = re.findall(r"^ {4}\.venv/bin/python manage\.py (.*)$", section, re.MULTILINE)
    assert found, about
    return found


@pytest.fixture(autouse=True)
def shut(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    """anna is locked, her password is expired, her second factor lost, and access control lets nobody in."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    anna = person()
    enrol(anna)
    policy(cluster, login_fail_retry_times=1, login_fail_punish_seconds=86400)
    rules(cluster, password_max_expired_age=30, password_expire_force_modify=True)
    policy(cluster, "multi_authentication_setting", enabled=True, authentication_type="totp")
    aged(anna, days=40)
    for _ in range(2):
        enter_api("wrong")
    nobody = {"enabled": True, "whitelist": True, "ip_ranges": {"ranges": []}}
    policy(cluster, "access_control_policy", ip_access_control_policy=nobody)
    assert enter_api().status_code == 403
    return anna


def test_every_line_can_be_typed_one_after_the_other() -> None:
    before = AuditRow.objects.count()
    for line in LINES:
        type_in(line)
    assert AuditRow.objects.filter(door="command").count() >= len(LINES) - 3 and AuditRow.objects.count() > before
    assert User.objects.get(user_name="bert").is_superuser


def test_together_they_open_every_door(shut: User) -> None:
    assert "locked" in type_in(lines("First")[0])
    for line in lines("Refused by access control"):
        type_in(line)
    assert enter_api().status_code == 429
    for line in lines("Locked after"):
        type_in(line)
    assert enter_api().json()["scode"] == 1083
    told = [type_in(line) for line in lines("Second factor lost")[:2]]
    assert not SecondFactor.objects.exists()
    (link,) = re.findall(r"http\S+/password\?link=\S+", told[1])
    assert b'name="permit"' in use(link, "Brand-new-1-entirely").content
    type_in(lines("Second factor lost")[2])
    assert enter_api("Brand-new-1-entirely").status_code == 200


def test_a_forgotten_password_is_made_up_and_an_expired_one_can_be_let_live(shut: User) -> None:
    for line in [*lines("Refused by access control"), *lines("Locked after"), lines("Second factor lost")[2]]:
        type_in(line)
    assert enter_api().json()["data"]["must_change_password"]
    type_in(lines("Expired password")[0])
    assert not enter_api().json()["data"]["must_change_password"]
    (file,) = re.findall(r"password_file  (\S+)", type_in(lines("Forgotten password")[0]))
    assert enter_api(PASSWORD).status_code == 401
    type_in(lines("Locked after")[0])
    assert enter_api(Path(file).read_text().strip()).json()["data"]["must_change_password"]


def test_what_it_quotes_is_what_the_product_says() -> None:
    texts = {error.scode: f"{error.message} {error.next_step}" for error in product_errors()}
    quoted = re.findall(r'^\| \d{3}[^"|]*(?:"([^"]+)")?[^|]*\| (\d{4}) \|', DOCUMENT, re.MULTILINE)
    assert len(quoted) == 7
    assert [text for text, scode in quoted if text not in texts[int(scode)]] == []
    assert Client().get("/password").status_code in (403, 404)
