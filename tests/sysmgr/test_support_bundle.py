"""The support bundle: what is in it, that no secret is, who may have it, how big it gets."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster, Host
from settings_app.services import update_settings
from sysmgr import env
from sysmgr.accounts import tokens
from sysmgr.accounts.models import User
from sysmgr.accounts.passwords import first_password_file
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.services import emit
from sysmgr.management import support_bundle
from tests import rows
from tests.cluster.calls import post, told
from tests.conftest import client_of
from upgrades.models import UpgradeItem, UpgradeRun
from upgrades.package.sign import create_key

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "support_bundle/create"
PLANTED = {
    "smtp": "smtp-Sesame/1\"'@\\",
    "community": "very-commun1ty",
    "url": "dbpass/wo@rd",
    "variable": "variable-secret-1",
    "foreign": "foreign-value-1",
    "typed": "typed-as-user-name",
    "login": "login-password-1",
    "first": "first-password-1",
    "door": "userinfo-secret",
}


def unpacked(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.content
    data = b"".join(answer.streaming_content)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        names = archive.getnames()
        assert len({name.partition("/")[0] for name in names}) == 1
        files = {name: archive.extractfile(name) for name in names}
        return {name.partition("/")[2]: file.read().decode() for name, file in files.items() if file}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with keys and the first password."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    (tmp_path / "keys").mkdir()
    create_key(tmp_path / "keys" / "demo-signing.pem")
    (tmp_path / "keys" / "django-secret").write_text("the-django-secret-of-this-test\n")
    first_password_file().write_text(PLANTED["first"] + "\n")
    return tmp_path


def secrets_of(folder: Path) -> list[str]:
    lines = [line for path in (folder / "keys").iterdir() for line in path.read_text().splitlines()]
    return [line for line in lines if len(line) > 8 and not line.startswith("-----")]


def test_no_secret_is_in_it(cluster: Cluster, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", f"postgres://sysmgr:{PLANTED['url']}@db.example/sysmgr?password={PLANTED['url']}"
    )
    monkeypatch.setenv("SYSMGR_SOME_TOKEN", PLANTED["variable"])
    monkeypatch.setenv("SOMEBODY_ELSES", PLANTED["foreign"])
    monkeypatch.setattr(env, "REVEAL_SECRETS", True, raising=False)
    changes: dict[str, Any] = {
        "mail_setting": {"smtp_password": PLANTED["smtp"], "sender_name": "the sender"},
        "front_style_setting": {"login_url": f"https://u:{PLANTED['door']}@door.example/"},
        "snmp_settings": {
            "snmps": [
                {
                    "name": "t",
                    "enabled": True,
                    "version": "v2c",
                    "host": "192.0.2.8",
                    "port": 162,
                    "community": PLANTED["community"],
                    "user": "",
                    "auth_protocol": "",
                    "auth_password": "",
                    "priv_protocol": "",
                    "priv_password": "",
                }
            ]
        },
    }
    update_settings(cluster, changes, SYSTEM)
    user = User.objects.create_user("somebody", PLANTED["login"], role="administrator")
    clear, row = tokens.issue(user, "127.0.0.1", 3600)
    Client().post(
        "/v1/authentication/login",
        {"user": PLANTED["typed"], "password": "wrong-password"},
        content_type="application/json",
    )
    run = UpgradeRun.objects.create(cluster=cluster, author="somebody", reason=f"it said {PLANTED['smtp']}")
    emit("upgrade.failed", run.pk, f"reply: {PLANTED['community']}", "失败", password=PLANTED["login"])
    api = Client(headers={"Authorization": f"Bearer {clear}"})

    files = unpacked(post(api, PATH, {}))
    text = "\n".join([*files, *files.values()])
    searched = [*PLANTED.values(), clear, row.digest, user.password, "wrong-password", *secrets_of(data_dir)]
    found = [s for s in searched if s in text or json.dumps(s)[1:-1] in text]
    assert found == []
    assert len(searched) > 12
    assert "(no such user)" in files["audit.json"]
    assert "the sender" in text and "SOMEBODY_ELSES" in text
    environment = json.loads(files["environment.json"])
    assert environment["DATABASE_URL"] == "postgres://********"
    assert environment["SYSMGR_SOME_TOKEN"] == "********"
    assert environment["SYSMGR_DATA_DIR"] == os.environ["SYSMGR_DATA_DIR"]
    settings = json.loads(files[f"settings/{cluster.pk}.json"])["settings"]
    assert settings["mail_setting"]["smtp_password"] == "********"
    assert settings["login_policy"]["token_expire_second"] == 2592000


def test_it_holds_what_a_helper_needs(api: Client, cluster: Cluster, data_dir: Path) -> None:
    rows.one_of_each(cluster)
    run = UpgradeRun.objects.get()
    emit("upgrade.pending", run.pk, "It waits.", "等待中。", cluster_uuid=cluster.pk)
    answer = post(api, PATH, {})
    assert (answer["Content-Type"], answer["Content-Disposition"][:33]) == (
        "application/gzip",
        'attachment; filename="sysmgr-supp',
    )
    files = unpacked(answer)
    assert set(files) == {
        "version.json",
        "doctor.json",
        "environment.json",
        "migrations.json",
        "members.json",
        "alerts.json",
        "clusters.json",
        f"settings/{cluster.pk}.json",
        f"hosts/{cluster.pk}.json",
        f"runs/{run.pk}.json",
        "audit.json",
    }
    read = {name.removesuffix(".json"): json.loads(text) for name, text in files.items()}
    assert read["version"]["version"].startswith(tuple("0123456789"))
    assert {finding["check"] for finding in read["doctor"]} >= {"database", "keys", "leader"}
    assert read["migrations"]["missing"] == [] and "cluster 0001_initial" in read["migrations"]["applied"]
    assert read[f"hosts/{cluster.pk}"]["rows"][0]["held_by"] == str(run.pk)
    assert [item["to_version"] for item in read[f"runs/{run.pk}"]["items"]["rows"]] == ["2.0"]
    assert [event["message"] for event in read[f"runs/{run.pk}"]["events"]["rows"]] == ["It waits."]
    assert read["members"]["members"]["rows"][0]["address"] == "192.0.2.9"
    assert read["audit"]["rows"][0]["action"] == "test"
    assert AuditRow.objects.order_by("-seq")[0].action == "support_bundle.create"


def test_it_is_bounded_and_says_where_it_was_cut(
    api: Client, cluster: Cluster, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOSTS", "ITEMS", "EVENTS", "AUDIT"):
        monkeypatch.setattr(support_bundle, name, 2)
    package = rows.package(cluster, "2.0")
    runs = [UpgradeRun.objects.create(cluster=cluster) for _ in range(support_bundle.RUNS + 3)]
    for place in range(1, 5):
        rows.host(cluster, place)
        UpgradeItem.objects.create(
            run=runs[-1],
            ordinal=place,
            host_ip=f"192.0.2.{place}",
            service_type="cloud",
            package=package,
            scode=place // 4,
        )
    files = unpacked(post(api, PATH, {}))
    assert sum(name.startswith("runs/") for name in files) == support_bundle.RUNS
    hosts = json.loads(files[f"hosts/{cluster.pk}.json"])
    assert (hosts["cut"], len(hosts["rows"])) == (True, 2)
    items = json.loads(files[f"runs/{runs[-1].pk}.json"])["items"]
    assert (items["cut"], [item["ordinal"] for item in items["rows"]]) == (True, [4, 1])  # what failed comes first


def test_one_cluster_or_all(api: Client, cluster: Cluster, data_dir: Path) -> None:
    other = Cluster.objects.get(pk=post(api, "cluster/create", {"name": "site"}).json()["data"]["cluster_uuid"])
    assert {f"settings/{c.pk}.json" for c in (cluster, other)} <= set(unpacked(post(api, PATH, {})))
    one = unpacked(post(api, PATH, {"cluster_uuid": str(cluster.pk)}))
    assert [name for name in one if name.startswith("settings/")] == [f"settings/{cluster.pk}.json"]
    nobody = "00000000-0000-4000-8000-000000000000"
    assert told(post(api, PATH, {"cluster_uuid": nobody})) == (404, 2001, "cluster_uuid")
    assert told(post(api, PATH, {"everything": True})) == (400, 10001, "everything")


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_administrators_only(cluster: Cluster, role: str) -> None:
    assert post(client_of(role), PATH, {}).status_code == 403
    assert post(Client(), PATH, {}).status_code == 401
    assert not AuditRow.objects.filter(action="support_bundle.create").exists()
    assert not Host.objects.exists()
