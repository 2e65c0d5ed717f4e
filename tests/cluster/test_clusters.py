"""Clusters at the API door: right, wrong, forbidden, repeated, at once; and the settings that come with them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.test import Client

from cluster import hooks
from cluster.models import Cluster, Host
from settings_app.models import SettingRevision
from sysmgr.audit.models import AuditRow
from sysmgr.errors import SysmgrError
from sysmgr.events.alerts import Trouble, raise_alert
from sysmgr.events.models import Alert, Event
from tests import rows
from tests.cluster.calls import get, post, told
from tests.conftest import client_of
from tests.together import at_once
from upgrades.intake import store
from upgrades.models import TrustedKey, UpgradePackage, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = "00000000-0000-4000-8000-000000000000"


def make(api: Client, name: str, **more: Any) -> dict[str, Any]:
    answer = post(api, "cluster/create", {"name": name, **more})
    assert answer.status_code == 200, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def names_default(client: Client) -> list[str]:
    return [row["name"] for row in get(client, "cluster/list").json()["data"]["list"] if row["default"]]


def test_the_first_cluster_beside_the_demo_becomes_the_default_with_safer_settings(
    api: Client, cluster: Cluster
) -> None:
    before = get(api, "setting/inspect")
    made = make(api, "site")
    assert list(made) == ["cluster_uuid", "name", "default", "create_time"]
    assert (made["name"], made["default"]) == ("site", True)
    # The doors and the reads mean the new one from the next request on, whatever was kept before.
    after = api.get("/v1/system/setting/inspect", headers={"If-None-Match": before["ETag"]})
    policy = after.json()["data"]["login_policy"]
    assert policy == {
        "login_fail_retry_times": 5,
        "login_fail_punish_seconds": 300,
        "token_expire_second": 43200,
    }
    assert after.json()["data"]["password_complexity_policy"]["password_minimum_length"] == 12
    assert after.json()["data"]["front_style_setting"]["login_url"] == ""
    assert make(api, "second")["default"] is False
    listed = get(api, "cluster/list?page_size=2").json()["data"]
    assert (listed["total_count"], [row["name"] for row in listed["list"]]) == (3, ["demo", "second"])
    assert [row["name"] for row in get(api, "cluster/list?filter_name=SIT").json()["data"]["list"]] == ["site"]
    assert names_default(api) == ["site"]
    assert Event.objects.filter(kind="cluster.default_changed", subject=made["cluster_uuid"]).count() == 1
    newest = AuditRow.objects.filter(action="cluster.create").order_by("seq")[0]
    assert newest.changes == [
        {"path": "name", "from": None, "to": "site"},
        {"path": "default", "from": False, "to": True},
    ]


def test_log_in_names_the_new_default(api: Client, cluster: Cluster) -> None:
    from sysmgr.accounts.models import User

    User.objects.create_user("somebody", "a-long-password", role="auditor")
    made = make(api, "site")
    body = {"user": "somebody", "password": "a-long-password"}
    answer = Client().post("/v1/authentication/login", body, content_type="application/json")
    assert answer.json()["data"]["default_cluster_uuid"] == made["cluster_uuid"]


def test_without_any_cluster_the_first_one_is_made(db: None) -> None:
    api = client_of("administrator")
    assert told(get(api, "host/list")) == (404, 2001, "cluster_uuid")
    assert get(api, "cluster/list").json()["data"] == {"total_count": 0, "list": []}
    assert make(api, "site")["default"] is True
    hosts = get(api, "host/list").json()["data"]
    assert (hosts["total_count"], hosts["list"]) == (0, [])


def test_update_renames_and_changes_the_default(api: Client, cluster: Cluster) -> None:
    site, second = make(api, "site"), make(api, "second")
    answer = post(api, "cluster/update", {"cluster_uuid": second["cluster_uuid"], "name": "west", "default": True})
    assert answer.json()["data"] == {**second, "name": "west", "default": True}
    assert names_default(api) == ["west"]
    rows_before = AuditRow.objects.count()
    again = post(api, "cluster/update", {"cluster_uuid": second["cluster_uuid"], "name": "west", "default": True})
    assert again.json() == answer.json()
    assert AuditRow.objects.count() == rows_before  # nothing differs: no trace
    # Left out, the default one is meant.
    assert post(api, "cluster/update", {"name": "east"}).json()["data"]["cluster_uuid"] == second["cluster_uuid"]
    assert told(post(api, "cluster/update", {"name": "site"})) == (409, 2003, "name")
    assert names_default(api) == ["east"]
    assert site["name"] == "site"


@pytest.mark.alike
@pytest.mark.parametrize(
    ("path", "body", "status", "desc"),
    [
        ("create", {}, 400, "name"),
        ("create", {"name": ""}, 400, "name"),
        ("create", {"name": " site"}, 400, "name"),
        ("create", {"name": "x" * 65}, 400, "name"),
        ("create", {"name": 5}, 400, "name"),
        ("create", {"name": "site", "confirm_lockout": "yes"}, 400, "confirm_lockout"),
        ("create", {"name": "site", "default": True}, 400, "default"),
        ("create", {"name": "demo"}, 409, "name"),
        ("update", {"default": False}, 400, "default"),
        ("update", {"name": None}, 400, "name"),
        ("update", {"cluster_uuid": "x", "name": "y"}, 400, "cluster_uuid"),
        ("update", {"cluster_uuid": NOBODY, "name": "y"}, 404, "cluster_uuid"),
        ("remove", {}, 400, "cluster_uuid"),
        ("remove", {"cluster_uuid": NOBODY}, 404, "cluster_uuid"),
        ("remove", {"cluster_uuid": NOBODY, "force": True}, 400, "force"),
    ],
)
def test_wrong_input_changes_nothing(
    api: Client, cluster: Cluster, path: str, body: dict[str, Any], status: int, desc: str
) -> None:
    audited = AuditRow.objects.count()
    answer = post(api, f"cluster/{path}", body)
    assert (answer.status_code, answer.json()["desc"]) == (status, desc)
    assert AuditRow.objects.count() == audited
    assert Cluster.objects.count() == 1


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_only_administrators_write_and_everybody_reads(api: Client, cluster: Cluster, role: str) -> None:
    client = client_of(role)
    for path in ("create", "update", "remove"):
        assert post(client, f"cluster/{path}", {"name": "x"}).status_code == 403
    assert get(client, "cluster/list").json()["data"]["total_count"] == 1
    assert Client().get("/v1/system/cluster/list").status_code == 401


def test_the_same_key_makes_one_cluster(api: Client, cluster: Cluster) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (post(api, "cluster/create", {"name": "site"}, **key).json() for _ in range(2))
    assert first == again
    assert told(post(api, "cluster/create", {"name": "site"})) == (409, 2003, "name")
    assert post(api, "cluster/create", {"name": "other"}, **key).status_code == 409
    assert Cluster.objects.count() == 2


def test_clusters_made_at_once_share_one_default(api: Client, cluster: Cluster) -> None:
    answers = at_once(
        [lambda n=n: post(api, "cluster/create", {"name": f"c{n % 5}"}) for n in range(10)]  # type: ignore[misc]
    )
    assert Counter(answer.status_code for answer in answers) == {200: 5, 409: 5}
    assert Cluster.objects.filter(default=True).count() == 1
    assert SettingRevision.objects.count() == 6
    uuids = [str(pk) for pk in Cluster.objects.values_list("pk", flat=True)]
    moves = [lambda c=c: post(api, "cluster/update", {"cluster_uuid": c, "default": True}) for c in uuids]
    assert {answer.status_code for answer in at_once(moves)} == {200}
    assert Cluster.objects.filter(default=True).count() == 1


def test_a_seam_may_refuse_a_new_default(api: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(SysmgrError):
        scode, status = 2999, 409

    def refuse(wanted: Cluster, actor: Any, confirmed: bool) -> None:
        if not confirmed:
            raise Locked("confirm_lockout")

    monkeypatch.setattr(hooks, "default_changing", [refuse])
    assert post(api, "cluster/create", {"name": "site"}).status_code == 409
    assert Cluster.objects.count() == 1
    assert make(api, "site", confirm_lockout=True)["default"] is True
    demo = {"cluster_uuid": str(cluster.pk), "default": True}
    assert post(api, "cluster/update", demo).status_code == 409
    assert post(api, "cluster/update", {**demo, "confirm_lockout": True}).status_code == 200


def test_remove_takes_packages_settings_and_ended_runs_along(api: Client, cluster: Cluster) -> None:
    make(api, "site")
    other = Cluster.objects.get(pk=make(api, "second")["cluster_uuid"])
    package = rows.package(other, "2.0")
    TrustedKey.objects.create(name="k", public_key="p", fingerprint="f", cluster=other)
    file = store(other) / package.package_name
    file.parent.mkdir(parents=True)
    file.touch()
    run = UpgradeRun.objects.create(cluster=other)
    host = rows.host(other, 1)
    rows.item(run, host, package, 0)
    named = {"cluster_uuid": str(other.pk)}
    answer = post(api, "cluster/remove", named)
    assert told(answer) == (409, 2005, "cluster_uuid") and "192.0.2.1" in answer.json()["message"]
    Host.objects.all().delete()
    answer = post(api, "cluster/remove", named)
    assert told(answer) == (409, 2006, "cluster_uuid") and str(run.pk) in answer.json()["message"]
    run.state, run.end_time = "failed", run.create_time
    run.save()
    assert file.exists()
    raise_alert(f"test.{other.pk}", Trouble("It is wrong.", "有问题。", cluster_uuid=other.pk))
    assert post(api, "cluster/remove", named).json()["data"] == {}
    assert not file.parent.exists()
    assert [UpgradePackage.objects.count(), UpgradeRun.objects.count(), TrustedKey.objects.count()] == [0, 0, 0]
    assert not SettingRevision.objects.filter(cluster=other.pk).exists()
    assert Alert.objects.get(cluster_uuid=other.pk).state == "closed"
    assert told(post(api, "cluster/remove", named)) == (404, 2001, "cluster_uuid")
    assert AuditRow.objects.filter(object=f"cluster {other.pk}", action="cluster.remove").count() == 1
    assert Event.objects.filter(subject=other.pk, kind="cluster.removed").count() == 1


def test_the_default_cluster_goes_last(api: Client, cluster: Cluster) -> None:
    site = {"cluster_uuid": make(api, "site")["cluster_uuid"]}
    assert told(post(api, "cluster/remove", site)) == (409, 2004, "cluster_uuid")
    assert post(api, "cluster/remove", {"cluster_uuid": str(cluster.pk)}).status_code == 200
    assert post(api, "cluster/remove", site).status_code == 200
    assert told(get(api, "setting/inspect")) == (404, 2001, "cluster_uuid")


def test_a_write_to_a_cluster_that_just_went_says_so(
    api: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the cluster and its lock somebody else removes it."""
    make(api, "site")
    found = Cluster.objects.get(pk=cluster.pk)
    post(api, "cluster/remove", {"cluster_uuid": str(cluster.pk)})
    monkeypatch.setattr("cluster.selectors.find", lambda cluster_uuid: found)
    assert told(post(api, "cluster/update", {"name": "x"})) == (404, 2001, "cluster_uuid")
    assert told(post(api, "setting/update", {"storage_setting": {"hop_hc": 1}})) == (404, 2001, "cluster_uuid")
