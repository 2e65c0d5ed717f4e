"""A cluster of one's own, whose host is a folder: made, trusted, filled, upgraded, all at the API door."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from cluster.models import Host
from sysmgr import env
from tests.cluster.calls import get, post, told
from tests.cluster.conftest import lay_out
from tests.conftest import client_of
from tests.upgrades.engine.drive import content, drive
from upgrades.models import Backup, UpgradeRun
from upgrades.package.build import build_package
from upgrades.package.sign import create_key, load_private_key, public_key_text

pytestmark = pytest.mark.django_db(transaction=True)
IP = "192.0.2.10"


def test_a_folder_below_a_local_root_is_upgraded(term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "DATA_DIR", tmp_path / "data")
    monkeypatch.setattr(env, "LOCAL_ROOTS", [tmp_path / "hosts"])
    (tmp_path / "data").mkdir()
    api = client_of("administrator")
    root = lay_out(tmp_path / "hosts" / "one", cloud="1.0", storage="1.0")
    for service in ("cloud", "storage"):
        folder = tmp_path / "source" / service
        folder.mkdir(parents=True)
        (folder / "file").write_text(f"{service} 2.0")
    create_key(tmp_path / "key.pem")
    key = load_private_key(tmp_path / "key.pem")
    (tmp_path / "out").mkdir()
    package = build_package(tmp_path / "source", "2.0", tmp_path / "out", key)

    assert post(api, "cluster/create", {"name": "site"}).json()["data"]["default"] is True
    trusted = {"name": "mine", "public_key": public_key_text(key.public_key())}
    assert post(api, "upgrade_package/trust/add", trusted).status_code == 200
    form = {"file": SimpleUploadedFile(package.name, package.read_bytes())}
    assert api.post("/v1/system/upgrade_package/upload", form).status_code == 200
    body = {"host_ip": IP, "transport": "local", "root": str(root), "services": ["cloud", "storage"]}
    assert post(api, "host/create", body).status_code == 200
    (listed,) = get(api, "upgrade_package/list").json()["data"]["list"]
    assert listed["upgrade_package_list"] == [package.name]
    asked = post(api, "compute/version/upgrade", {"list": [{"host_ip": IP, "service_type": "cloud"}]})
    assert asked.status_code == 200, asked.content
    run = UpgradeRun.objects.get()
    for name, count in (("PACKAGE_2.0", 1), ("nothing", 0)):
        assert get(api, f"upgrade/list?filter_name={name}").json()["data"]["total_count"] == count
    assert get(api, f"host/inspect?host_ip={IP}").json()["data"]["held_by"] == str(run.pk)
    assert told(post(api, "host/remove", {"host_ip": IP})) == (409, 2008, "host_ip")

    assert drive(run, term).state == "succeeded"
    host = get(api, f"host/inspect?host_ip={IP}").json()["data"]
    assert [(row["service_type"], row["version"]) for row in host["services"]] == [("cloud", "2.0"), ("storage", "1.0")]
    assert (root / "cloud" / "current" / "file").read_text() == "cloud 2.0"
    assert (root / "storage" / "current" / "file").read_text() == "storage 1.0"
    # What the host says is what the row says, also when asked anew.
    assert post(api, "host/update", {"host_ip": IP, "services": ["cloud", "storage"]}).json()["data"] == host
    files = content(root)
    assert post(api, "host/remove", {"host_ip": IP}).json()["data"]["forgotten_backups"] == 1
    assert (content(root), Backup.objects.count(), Host.objects.count()) == (files, 0, 0)
    (item,) = get(api, f"upgrade/inspect?upgrade_uuid={run.pk}").json()["data"]["results"]
    assert (item["host_ip"], item["state"]) == (IP, "committed")
