"""Gate and probes at the admin's door: shown, set by administrators, refused beside the input at fault, audited."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from tests.pages import LANGUAGES, enter, faults, said, url

pytestmark = pytest.mark.django_db
GATE = {"kind": "tcp", "host": "db.example.com", "port": 5432, "seconds": 9}
PROBE = {"kind": "http", "url": "http://{host_ip}/ok", "status": 204}


def send(client: Client, cluster: Cluster, name: str, **form: Any) -> Any:
    """Send a form; its inputs are named by the paths of the API's body."""
    inputs = {key.replace("__", "."): value for key, value in form.items()}
    return client.post(url(Cluster, name, cluster.pk), inputs, follow=True)


def beside(answer: Any) -> dict[str, list[str]]:
    """Return what is wrong, by input."""
    assert answer.status_code == 200
    return {name: list(texts) for name, texts in answer.context["form"].errors.items()}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", Role.values)
def test_everybody_sees_them_and_administrators_are_offered_to_set_them(
    cluster: Cluster, role: str, language: str
) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(gate=GATE, probes={"cloud": PROBE})
    page = enter(role, language).get(url(Cluster, "change", cluster.pk))
    text = page.content.decode()
    assert faults(page) == [] and "db.example.com" in text and "http://{host_ip}/ok" in text
    offers = ["gate", "probes"] if role == Role.ADMINISTRATOR else []
    assert [offer["link"].split("/")[-2] for offer in page.context["acts"]] == offers


def test_a_gate_is_set_changed_and_taken_away(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    form = {"gate__kind": "tcp", "gate__host": "db.example.com", "gate__port": "5432", "gate__seconds": "9"}
    assert said(send(client, cluster, "gate", **form)) == ["The gate is as you set it."]
    cluster.refresh_from_db()
    assert cluster.gate == GATE
    row = AuditRow.objects.latest("seq")
    assert (row.door, row.action) == ("admin", "cluster.update")
    assert row.changes == [{"path": "gate", "from": {}, "to": GATE}]
    shown = client.get(url(Cluster, "gate", cluster.pk)).content.decode()
    assert 'name="gate.host" value="db.example.com"' in shown
    send(client, cluster, "gate", **form)
    assert AuditRow.objects.latest("seq") == row
    send(client, cluster, "gate", **{**form, "gate__kind": "command", "gate__name": "quorum"})
    cluster.refresh_from_db()
    assert cluster.gate == {"kind": "command", "name": "quorum", "seconds": 9}
    send(client, cluster, "gate", gate__kind="", gate__name="typed anew", gate__seconds="9")
    cluster.refresh_from_db()
    assert cluster.gate == {}


def test_probes_are_set_and_taken_away_each_by_itself(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    cloud = {"probes__cloud__kind": "http", "probes__cloud__url": PROBE["url"], "probes__cloud__status": "204"}
    storage = {"probes__storage__kind": "tcp", "probes__storage__port": "3260"}
    assert said(send(client, cluster, "probes", **cloud, **storage)) == ["The probes are as you set them."]
    cluster.refresh_from_db()
    assert cluster.probes == {"cloud": PROBE, "storage": {"kind": "tcp", "port": 3260}}
    send(client, cluster, "probes", **{**cloud, "probes__cloud__kind": ""}, **storage)
    cluster.refresh_from_db()
    assert cluster.probes == {"storage": {"kind": "tcp", "port": 3260}}


@pytest.mark.alike
@pytest.mark.parametrize(
    ("name", "form", "at"),
    [
        ("gate", {"gate__kind": "tcp", "gate__port": "1"}, "gate.host"),
        ("gate", {"gate__port": "1"}, "gate.kind"),
        ("gate", {"gate__kind": "http", "gate__url": "http://{host_ip}/"}, "gate.url"),
        ("gate", {"gate__kind": "http", "gate__url": "http://a/", "gate__host": "a"}, "gate.host"),
        ("gate", {"gate__kind": "command", "gate__name": "../sh"}, "gate.name"),
        ("gate", {"gate__kind": "tcp", "gate__host": "a", "gate__port": "0"}, "gate.port"),
        ("gate", {"gate__kind": "smoke"}, "gate.kind"),
        ("probes", {"probes__compute__kind": "http"}, "probes.compute.url"),
        ("probes", {"probes__cloud__kind": "tcp", "probes__cloud__port": "x"}, "probes.cloud.port"),
        ("probes", {"probes__storage__seconds": "5"}, "probes.storage.kind"),
    ],
)
def test_what_is_wrong_is_told_beside_the_input(cluster: Cluster, name: str, form: dict[str, str], at: str) -> None:
    english, chinese = (beside(send(enter(Role.ADMINISTRATOR, one), cluster, name, **form)) for one in LANGUAGES)
    assert list(english) == list(chinese) == [at]
    assert english != chinese
    cluster.refresh_from_db()
    assert (cluster.gate, cluster.probes) == ({}, {})


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_may_not_set_them(cluster: Cluster, role: str) -> None:
    client = enter(role)
    for name in ("gate", "probes"):
        assert send(client, cluster, name, gate__kind="command", gate__name="x").status_code == 403
    cluster.refresh_from_db()
    assert (cluster.gate, cluster.probes) == ({}, {})
