"""Hosts at the API door: right, wrong, forbidden, repeated, held, at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster, Host
from sysmgr import env
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests import rows
from tests.cluster.calls import get, post, told
from tests.cluster.conftest import lay_out
from tests.conftest import client_of
from tests.together import at_once
from upgrades.models import Backup, HostHold, UpgradeItem, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBJ1Hn2mYb0P5s3b2c7t8kq4nP0m3h1qzv7n5u2w8x9y"


def local(root: Path | str, ip: str = "192.0.2.1", *services: str, **more: Any) -> dict[str, Any]:
    return {
        "host_ip": ip,
        "transport": "local",
        "root": str(root),
        "services": list(services) or ["cloud"],
        **more,
    }


def test_a_folder_becomes_a_host_and_says_what_it_runs(api: Client, roots: Path) -> None:
    root = lay_out(roots / "a", storage="1.3", cloud="1.4.rc2")
    (root / "compute").mkdir()
    answer = post(api, "host/create", local(root, "192.0.2.1", "compute", "storage", "cloud", labels=["rack 1"]))
    assert answer.status_code == 200, answer.content
    host = answer.json()["data"]
    assert list(host) == [
        "host_ip",
        "transport",
        "root",
        "services",
        "labels",
        "ssh_port",
        "ssh_user",
        "ssh_sudo",
        "host_key",
        "maintenance",
        "maintenance_reason",
        "seen_time",
        "held_by",
        "create_time",
    ]
    assert host["services"] == [
        {"service_type": "cloud", "version": "1.4.rc2", "unmanaged": False, "catch_up": ""},
        {"service_type": "compute", "version": "", "unmanaged": True, "catch_up": ""},
        {"service_type": "storage", "version": "1.3", "unmanaged": False, "catch_up": ""},
    ]
    assert (host["labels"], host["held_by"], host["root"]) == (["rack 1"], "", str(root))
    assert get(api, "host/inspect?host_ip=192.0.2.1").json()["data"] == host
    assert get(api, "host/list").json()["data"]["list"] == [host]
    (listed,) = get(api, "upgrade_package/list").json()["data"]["list"]
    assert list(listed["type_version"].items()) == [("cloud", "1.4.rc2"), ("compute", ""), ("storage", "1.3")]
    assert Event.objects.filter(kind="host.created").count() == 1
    assert AuditRow.objects.order_by("-seq")[0].action == "host.create"


@pytest.mark.parametrize(
    ("current", "release"), [("releases/../x", "x"), ("x", "x"), ("releases/.x", "releases/.x"), ("releases/2", None)]
)
def test_a_service_that_is_not_laid_out_as_ours_is_unmanaged(
    api: Client, roots: Path, current: str, release: str | None
) -> None:
    folder = roots / "a" / "cloud"
    (folder / "releases").mkdir(parents=True)
    if release:
        (folder / release).mkdir()
    (folder / "current").symlink_to(current)
    (service,) = post(api, "host/create", local(roots / "a")).json()["data"]["services"]
    assert (service["version"], service["unmanaged"]) == ("", True)


def test_a_host_over_ssh_is_stored_and_its_services_are_unmanaged(api: Client, cluster: Cluster) -> None:
    body = {
        "host_ip": "2001:db8::1",
        "transport": "ssh",
        "root": "/srv/sysmgr",
        "services": ["compute"],
        "ssh_port": 2222,
        "ssh_user": "deploy",
        "ssh_sudo": True,
        "host_key": KEY,
    }
    host = post(api, "host/create", body).json()["data"]
    assert {key: host[key] for key in body if key != "services"} == {k: v for k, v in body.items() if k != "services"}
    assert host["services"] == [{"service_type": "compute", "version": "", "unmanaged": True, "catch_up": ""}]
    changed = post(api, "host/update", {"host_ip": "2001:db8::1", "ssh_port": 22, "services": ["compute", "cloud"]})
    assert changed.json()["data"]["ssh_port"] == 22
    assert [row["service_type"] for row in changed.json()["data"]["services"]] == ["cloud", "compute"]
    item = {"list": [{"host_ip": "2001:db8::1", "service_type": "compute"}]}
    assert post(api, "compute/version/upgrade", item).status_code == 400  # unmanaged


@pytest.mark.alike
@pytest.mark.parametrize(
    ("change", "status", "desc"),
    [
        ({"host_ip": "192.0.2.300"}, 400, "host_ip"),
        ({"host_ip": "192.0.2.01"}, 400, "host_ip"),
        ({"host_ip": "2001:DB8::1"}, 400, "host_ip"),
        ({"host_ip": "::ffff:192.0.2.1"}, 400, "host_ip"),
        ({"host_ip": "fe80::1%eth0"}, 400, "host_ip"),
        ({"host_ip": "host.example"}, 400, "host_ip"),
        ({"host_ip": None}, 400, "host_ip"),
        ({"transport": "telnet"}, 400, "transport"),
        ({"services": []}, 400, "services"),
        ({"services": ["network"]}, 400, "services[0]"),
        ({"services": ["cloud", "cloud"]}, 400, "services"),
        ({"services": "cloud"}, 400, "services"),
        ({"labels": ["a", "a"]}, 400, "labels"),
        ({"labels": [str(n) for n in range(33)]}, 400, "labels"),
        ({"labels": [""]}, 400, "labels[0]"),
        ({"ssh_port": 22}, 400, "ssh_port"),
        ({"transport": "ssh", "ssh_port": 65536}, 400, "ssh_port"),
        ({"transport": "ssh", "ssh_user": "a b"}, 400, "ssh_user"),
        ({"transport": "ssh", "host_key": "nonsense"}, 400, "host_key"),
        ({"transport": "ssh", "host_key": "ssh-ed25519 AAAA"}, 400, "host_key"),
        ({"transport": "ssh", "root": "srv"}, 400, "root"),
        ({"transport": "ssh", "root": "/"}, 400, "root"),
        ({"transport": "ssh", "root": "/srv/../etc"}, 400, "root"),
        ({"transport": "ssh", "root": "/srv/$(x)"}, 400, "root"),
        ({"cluster_uuid": "00000000-0000-4000-8000-000000000000"}, 404, "cluster_uuid"),
        ({"more": 1}, 400, "more"),
    ],
)
def test_wrong_input_stores_nothing(api: Client, roots: Path, change: dict[str, Any], status: int, desc: str) -> None:
    root = lay_out(roots / "a", cloud="1.0")
    answer = post(api, "host/create", {**local(root), **change})
    assert (answer.status_code, answer.json()["desc"]) == (status, desc)
    assert not Host.objects.exists()


def test_folders_that_no_host_may_have(api: Client, roots: Path, tmp_path: Path) -> None:
    (roots / "file").touch()
    (roots / "loop").symlink_to("loop")
    (roots / "out").symlink_to(tmp_path)
    (roots / "data").symlink_to(env.DATA_DIR)
    (env.DATA_DIR / "keys" / "inside").mkdir()
    for root in (
        "hosts",
        roots,
        roots / "missing",
        roots / "file",
        roots / "loop",
        roots / "out",
        roots / "data",
        roots / "..",
        tmp_path,
        "/",
        env.DATA_DIR,
        env.DATA_DIR / "keys",
        env.DATA_DIR / "keys" / "inside",
        f"{roots}/\x7f",
    ):
        assert told(post(api, "host/create", local(root))) == (400, 10001, "root"), root
    assert not Host.objects.exists()
    # A link is followed once, and what it leads to is kept.
    real = lay_out(env.DATA_DIR / "demo-hosts" / "x", cloud="1.0")
    (roots / "link").symlink_to(real)
    assert post(api, "host/create", local(roots / "link")).json()["data"]["root"] == str(real)


def test_two_hosts_never_share_a_folder(api: Client, roots: Path) -> None:
    other = Cluster.objects.create(name="other")
    root = lay_out(roots / "a" / "b", cloud="1.0")
    assert post(api, "host/create", local(root)).status_code == 200
    (root / "c").mkdir()
    for taken in (root, roots / "a", root / "c"):
        body = local(taken, "192.0.2.2", cluster_uuid=str(other.pk))
        answer = post(api, "host/create", body)
        assert told(answer) == (409, 2009, "root") and "192.0.2.1" in answer.json()["message"]
    assert told(post(api, "host/create", local(root))) == (409, 2007, "host_ip")
    lay_out(roots / "b")
    assert post(api, "host/create", local(roots / "b", cluster_uuid=str(other.pk))).status_code == 200
    moved = post(api, "host/update", {"host_ip": "192.0.2.1", "root": str(roots / "b")})
    assert told(moved) == (409, 2009, "root")
    assert post(api, "host/update", {"host_ip": "192.0.2.1", "root": str(root / "c")}).status_code == 200


def test_hosts_made_at_once_never_share_a_folder_or_an_address(api: Client, roots: Path) -> None:
    lay_out(roots / "a"), lay_out(roots / "b")
    bodies = [local(roots / name, f"192.0.2.{n}") for n in (1, 2) for name in ("a", "b")] * 2
    answers = at_once([lambda body=body: post(api, "host/create", body) for body in bodies])  # type: ignore[misc]
    made = list(Host.objects.values_list("host_ip", "root"))
    assert Counter(answer.status_code for answer in answers) == {200: len(made), 409: 8 - len(made)}
    assert len({ip for ip, _ in made}) == len({root for _, root in made}) == len(made) == 2


def test_update_changes_what_is_named_and_asks_the_host_again(api: Client, roots: Path) -> None:
    root = lay_out(roots / "a", cloud="1.0")
    before = post(api, "host/create", local(root, "192.0.2.1", "cloud", "storage")).json()["data"]
    audited = AuditRow.objects.count()
    same = {"host_ip": "192.0.2.1", "labels": [], "services": ["storage", "cloud"], "root": str(root)}
    assert post(api, "host/update", same).json()["data"] == before
    assert AuditRow.objects.count() == audited
    lay_out(root, storage="2.0")
    assert post(api, "host/update", {"host_ip": "192.0.2.1", "labels": ["x"]}).json()["data"] == {
        **before,
        "labels": ["x"],
    }
    changed = post(api, "host/update", {"host_ip": "192.0.2.1", "services": ["storage"]}).json()["data"]
    assert changed["services"] == [{"service_type": "storage", "version": "2.0", "unmanaged": False, "catch_up": ""}]
    row = AuditRow.objects.order_by("-seq")[0]
    assert (row.action, [entry["path"] for entry in row.changes]) == ("host.update", ["services"])
    assert told(post(api, "host/update", {"host_ip": "192.0.2.9"})) == (404, 2002, "host_ip")
    assert told(post(api, "host/update", {"host_ip": "192.0.2.1", "ssh_port": 5})) == (400, 10001, "ssh_port")
    assert told(post(api, "host/update", {"host_ip": "192.0.2.1", "transport": "ssh"})) == (400, 10001, "transport")


def test_a_held_host_is_left_alone_and_a_removed_one_stays_told(api: Client, cluster: Cluster) -> None:
    run = UpgradeRun.objects.create(cluster=cluster)
    host = rows.host(cluster, 1)
    rows.item(run, host, rows.package(cluster, "2.0"), 0)
    UpgradeItem.objects.update(host_ip=host.host_ip)
    HostHold.objects.create(host=host, run=run)
    assert get(api, "host/inspect?host_ip=192.0.2.1").json()["data"]["held_by"] == str(run.pk)
    for path, body in (("update", {"labels": ["x"]}), ("remove", {})):
        answer = post(api, f"host/{path}", {"host_ip": "192.0.2.1", **body})
        assert told(answer) == (409, 2008, "host_ip") and str(run.pk) in answer.json()["message"]
    HostHold.objects.all().delete()
    gone = post(api, "host/remove", {"host_ip": "192.0.2.1"}).json()["data"]
    assert gone == {"host_ip": "192.0.2.1", "forgotten_backups": 1}
    assert not Backup.objects.exists()
    assert UpgradeItem.objects.get().host_ip == "192.0.2.1"
    event = Event.objects.get(kind="host.removed")
    assert event.data == {"host_ip": "192.0.2.1", "forgotten_backups": 1}
    assert told(post(api, "host/remove", {"host_ip": "192.0.2.1"})) == (404, 2002, "host_ip")


def test_the_same_key_makes_one_host(api: Client, roots: Path) -> None:
    lay_out(roots / "a", cloud="1.0")
    key = {"Idempotency-Key": "once"}
    first, again = (post(api, "host/create", local(roots / "a"), **key).json() for _ in range(2))
    assert first == again
    for _ in range(2):
        assert post(api, "host/remove", {"host_ip": "192.0.2.1"}, **{"Idempotency-Key": "r"}).status_code == 200
    assert not Host.objects.exists()


def test_roles(api: Client, roots: Path) -> None:
    lay_out(roots / "a", cloud="1.0")
    operator, auditor = client_of("operator"), client_of("auditor")
    for path in ("create", "update", "remove"):
        assert post(auditor, f"host/{path}", {"host_ip": "192.0.2.1"}).status_code == 403
    assert post(operator, "host/create", local(roots / "a")).status_code == 200
    assert post(operator, "host/update", {"host_ip": "192.0.2.1", "labels": ["x"]}).status_code == 200
    assert get(auditor, "host/list").json()["data"]["total_count"] == 1
    assert get(auditor, "host/inspect?host_ip=192.0.2.1").status_code == 200
    assert get(auditor, "host/inspect").status_code == 400
    assert told(get(auditor, "host/inspect?host_ip=192.0.2.2")) == (404, 2002, "host_ip")
    assert post(operator, "host/remove", {"host_ip": "192.0.2.1"}).status_code == 200


def test_hosts_are_paged_and_filtered(api: Client, cluster: Cluster) -> None:
    for place in range(1, 6):
        rows.host(cluster, place)
    page = get(api, "host/list?page_num=1&page_size=2").json()["data"]
    assert (page["total_count"], [row["host_ip"] for row in page["list"]]) == (5, ["192.0.2.3", "192.0.2.4"])
    assert get(api, "host/list?filter_name=2.5").json()["data"]["total_count"] == 1
    for wrong in ("page_num=-1", "page_size=0", "page_size=1001", "page_num=x", "filter_name=%00"):
        assert get(api, f"host/list?{wrong}").status_code == 400
