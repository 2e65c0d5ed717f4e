"""SNMP targets at the admin's door: small forms, stored whole, secrets kept where nothing is typed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app import services
from settings_app.models import SnmpSettings, SnmpTarget
from sysmgr.accounts.models import Role
from sysmgr.audit.services import SYSTEM
from sysmgr.crypto import MASK

from .forms import enter, errors, inputs, read, revisions, save, url


def target(name: str, **values: Any) -> dict[str, Any]:
    """Return a target's documented JSON."""
    blank = dict.fromkeys(("community", "user", "auth_protocol", "auth_password", "priv_protocol", "priv_password"), "")
    given = {"name": name, "enabled": True, "version": "v2c", "host": "192.0.2.1", "port": 162}
    return {**given, **blank, "community": f"secret-of-{name}", **values}


@pytest.fixture
def admin(cluster: Cluster) -> Client:
    """An administrator who is logged in; two targets are stored."""
    services.update_settings(cluster, {"snmp_settings": {"snmps": [target("a"), target("b")]}}, SYSTEM)
    return enter()


def stored() -> list[tuple[str, str, str]]:
    return [(row.name, row.host, row.community.reveal()) for row in SnmpTarget.objects.order_by("ordinal")]


def told(answer: Any, place: int, name: str) -> str:
    assert "__all__" in errors(answer)
    return "; ".join(answer.context["targets"].forms[place].errors.get(name, []))


def test_secrets_are_never_shown(admin: Client, cluster: Cluster) -> None:
    page = admin.get(url(SnmpSettings, cluster)).content.decode()
    assert "targets-0-community_clear" in page
    assert "targets-0-auth_password_clear" not in page
    assert not [text for text in ("secret-of", "enc:1:", MASK) if text in page]


def test_a_target_changes_and_secrets_stay(admin: Client, cluster: Cluster) -> None:
    answer = save(admin, SnmpSettings, cluster, **{"targets-0-enabled": None, "targets-1-version": "v3"})
    assert answer.status_code == 302
    assert [(row.enabled, row.version) for row in SnmpTarget.objects.all()] == [(False, "v2c"), (True, "v3")]
    assert stored() == [("a", "192.0.2.1", "secret-of-a"), ("b", "192.0.2.1", "secret-of-b")]
    assert revisions(cluster) == 3


def test_a_target_is_added_and_another_removed(admin: Client, cluster: Cluster) -> None:
    new = {"name": "c", "host": "snmp.example.com", "version": "v2c", "community": "secret-of-c"}
    changed = {f"targets-2-{key}": value for key, value in new.items()}
    assert save(admin, SnmpSettings, cluster, **changed, **{"targets-0-DELETE": "on"}).status_code == 302
    assert stored() == [("b", "192.0.2.1", "secret-of-b"), ("c", "snmp.example.com", "secret-of-c")]
    assert SnmpTarget.objects.get(name="c").port == 162
    save(admin, SnmpSettings, cluster, **{"targets-0-DELETE": "on", "targets-1-DELETE": "on"})
    assert stored() == []


def test_a_secret_is_replaced_and_cleared(admin: Client, cluster: Cluster) -> None:
    save(admin, SnmpSettings, cluster, **{"targets-0-community": "newer", "targets-1-community_clear": "on"})
    assert [community for _, _, community in stored()] == ["newer", ""]


@pytest.mark.alike
@pytest.mark.parametrize(
    ("changed", "place", "field", "text"),
    [
        ({"targets-0-host": "10.0.0.300", "targets-0-community": "n"}, 0, "host", "host name"),
        ({"targets-0-host": "192.0.2.2"}, 0, "community", "in clear"),
        ({"targets-0-name": "z"}, 0, "community", "no stored value"),
        ({"targets-1-name": "a", "targets-1-community": "n"}, 1, "name", "twice"),
        ({"targets-1-port": "0"}, 1, "port", "1"),
        ({"targets-1-name": ""}, 1, "name", "required"),
        ({"targets-2-name": "c", "targets-2-community": "n"}, 2, "host", "required"),
        ({"targets-2-community": "only-this"}, 2, "name", "required"),
        ({"targets-0-community": "x", "targets-0-community_clear": "on"}, 0, "community", "not both"),
        ({"targets-0-DELETE": "on", "targets-1-host": "192.0.2.2"}, 1, "community", "in clear"),
        ({"targets-0-auth_protocol": "md5"}, 0, "auth_protocol", "valid choice"),
    ],
)
def test_a_refusal_is_shown_in_its_target(
    admin: Client, cluster: Cluster, changed: dict[str, str], place: int, field: str, text: str
) -> None:
    answer = save(admin, SnmpSettings, cluster, **changed)
    assert text in told(answer, place, field)
    open_text = {name: value for name, value in changed.items() if "community" not in name}
    shown = read(answer)
    assert {name: shown.get(name) for name in open_text if "md5" not in changed[name]} == {
        name: value for name, value in open_text.items() if value != "md5"
    }
    assert revisions(cluster) == 2
    assert len(stored()) == 2


def test_a_stale_page_is_told_and_changes_nothing(admin: Client, cluster: Cluster) -> None:
    stale = {**inputs(admin, SnmpSettings, cluster), "targets-1-port": "163"}
    services.update_settings(cluster, {"snmp_settings": {"snmps": []}}, SYSTEM)
    answer = admin.post(url(SnmpSettings, cluster), stale)
    assert "at revision 3, not 2" in errors(answer)["__all__"][0]
    assert stored() == []


@pytest.mark.parametrize("broken", ["", "x", "100000", "-1"])
def test_a_broken_form_is_no_crash(admin: Client, cluster: Cluster, broken: str) -> None:
    answer = save(admin, SnmpSettings, cluster, **{"targets-TOTAL_FORMS": broken})
    assert answer.status_code == 200
    assert revisions(cluster) == 2


def test_readers_see_the_targets_without_secrets(admin: Client, cluster: Cluster) -> None:
    page = enter(Role.OPERATOR).get(url(SnmpSettings, cluster)).content.decode()
    assert "a (v2c) 192.0.2.1 162" in page
    assert "secret-of" not in page
