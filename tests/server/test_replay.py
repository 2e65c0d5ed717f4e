"""Every documented example against the running server: keys in order, JSON types, nulls, envelope, demo's values."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.test_examples import EXAMPLES, shape
from tests.server.hosts import host, store, true_facts
from tests.server.product import Product, product
from tests.settings_app.mail.servers import Mailbox, authenticate, smtp

BY_PATH: dict[str, dict[str, Any]] = {e["path"].removeprefix("/v1/system/"): e for e in EXAMPLES}
FIVE = ["package_name", "md5", "version", "update_time", "size"]
MASK = "********"
DEMO_MAIL = {
    "enabled": False,
    "asynchronous_send_enabled": False,
    "sender_mail": "",
    "sender_name": "",
    "smtp_server_ip": "",
    "smtp_server_port": 25,
    "smtp_tls_enabled": False,
    "smtp_account": "",
    "smtp_password": "",
}


def send(server: Product, path: str, **changed: Any) -> httpx.Response:
    """Send a documented request with the demo's cluster and host, and with `changed` in the body."""
    example = copy.deepcopy(BY_PATH[path])
    cluster = store(server).name
    query, body = example["query"], example["body"]
    for part in (query, body or {}):
        if "cluster_uuid" in part:
            part["cluster_uuid"] = cluster
        if "host_ip" in part:
            part["host_ip"] = "10.30.12.55"
    if example["method"] == "GET":
        return server.request("GET", path, params=query)
    return server.request("POST", path, json={**body, **changed})


def documented(path: str) -> Any:
    """Return a copy of the documented answer."""
    return copy.deepcopy(BY_PATH[path]["response"])


def same(answer: httpx.Response, wanted: Any) -> Any:
    """Check status, envelope and shape against the documented answer; return the data."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    got = json.loads(answer.content)
    assert shape(got) == shape(wanted)
    assert {k: v for k, v in got.items() if k != "data"} == {k: v for k, v in wanted.items() if k != "data"}
    return got["data"]


def version(server: Product) -> None:
    data = same(send(server, "version"), documented("version"))
    form = r"\S+  @python\d+\.\d+\.\d+ \w+/\w+  SRC#[0-9a-f]{40}  CMN#[0-9a-f]{40}"
    assert re.fullmatch(form, data["version"])


def member_list(server: Product) -> None:
    data = same(send(server, "member/list"), documented("member/list"))
    assert data == {"leader": "127.0.0.1", "candidates": ["127.0.0.1"], "ready": True, "alias_source": ""}


def mail_inspect(server: Product) -> None:
    assert same(send(server, "mail_setting/inspect"), documented("mail_setting/inspect")) == DEMO_MAIL


def mail_update(server: Product) -> None:
    wanted = documented("mail_setting/update")
    data = same(send(server, "mail_setting/update"), wanted)
    assert data == {**wanted["data"], "smtp_password": MASK}
    assert server.get("mail_setting/inspect") == data
    server.post("mail_setting/update", DEMO_MAIL)


def mail_test(server: Product) -> None:
    mailbox = Mailbox()
    with smtp(mailbox, authenticator=authenticate, auth_require_tls=False) as port:
        account = {"smtp_account": "user", "smtp_password": "right-pass-word"}
        place = {"smtp_server_ip": "127.0.0.1", "smtp_server_port": port}
        assert same(send(server, "mail_setting/test", **place, **account), documented("mail_setting/test")) == {}
    (message,) = mailbox.messages
    body = BY_PATH["mail_setting/test"]["body"]
    assert message["To"] == body["receiver_email"]
    assert body["sender_mail"] in message["From"]
    assert server.get("mail_setting/inspect") == DEMO_MAIL  # nothing is stored


def setting_inspect(server: Product) -> None:
    wanted = documented("setting/inspect")
    data = same(send(server, "setting/inspect"), wanted)
    assert data == {**wanted["data"], "mail_setting": DEMO_MAIL}


def setting_update(server: Product) -> None:
    wanted = documented("setting/update")
    data = same(send(server, "setting/update"), wanted)
    assert data == {**wanted["data"], "mail_setting": DEMO_MAIL}
    assert server.get("setting/inspect") == {
        **data,
        "password_special_char": documented("setting/inspect")["data"]["password_special_char"],
    }


def package_list(server: Product) -> None:
    wanted = documented("upgrade_package/list")
    answer = json.loads(send(server, "upgrade_package/list").content)
    packages = answer["data"]["package_list"]
    names = ["updatepackage_1.5.tar.gz", "updatepackage_1.4.1.tar.gz"]
    # The demo has packages where the example has null, and all its hosts can take them.
    assert {**answer["data"], "package_list": None} == {
        **wanted["data"],
        "list": [{**entry, "upgrade_package_list": names} for entry in wanted["data"]["list"]],
    }
    assert [entry["package_name"] for entry in packages] == names
    assert list(answer) == list(wanted)
    assert list(answer["data"]) == list(wanted["data"])
    assert [list(entry) for entry in answer["data"]["list"]] == [list(entry) for entry in wanted["data"]["list"]]
    assert {key: value for key, value in answer.items() if key != "data"} == {
        key: value for key, value in wanted.items() if key != "data"
    }
    for package in packages:
        assert list(package) == [
            *FIVE,
            "sha256",
            "signed_by",
            "service_types",
            "minimum_version",
            "release_notes",
        ]
        assert (package["md5"], package["size"]) == true_facts(store(server) / package["package_name"])
        assert package["service_types"] == ["cloud", "compute", "storage"]
        assert isinstance(package["minimum_version"], dict)


def nothing_current(server: Product) -> None:
    answer = send(server, "upgrade_package/current/inspect")
    assert answer.status_code == 404
    assert list(answer.json()) == ["scode", "desc", "message", "message_cn", "stack", "data"]
    assert (answer.json()["stack"], answer.json()["data"]) == (None, None)


def no_backups(server: Product) -> None:
    answer = send(server, "compute/version/list")
    assert (answer.status_code, answer.json()["data"]) == (200, {"list": []})


CALLS: dict[str, Callable[[Product], None]] = {
    "version": version,
    "member/list": member_list,
    "mail_setting/inspect": mail_inspect,
    "mail_setting/update": mail_update,
    "mail_setting/test": mail_test,
    "setting/inspect": setting_inspect,
    "setting/update": setting_update,
    "upgrade_package/list": package_list,
    "upgrade_package/current/inspect": nothing_current,
    "compute/version/list": no_backups,
}


@pytest.mark.parametrize("path", CALLS)
def test_the_documented_call(server: Product, path: str) -> None:
    CALLS[path](server)


def test_every_example_is_replayed() -> None:
    assert {*CALLS, "compute/version/upgrade"} == set(BY_PATH)


def test_the_documented_upgrade_really_runs() -> None:
    with product() as server:
        begun = int(time.time())
        answer = send(server, "compute/version/upgrade", wait=True)
        assert answer.status_code == 200, answer.text
        assert list(answer.json()) == ["scode", "desc", "message", "message_cn", "stack", "data"]
        data = answer.json()["data"]
        assert list(data) == ["upgrade_uuid", "success", "fail", "results"]
        assert (data["success"], data["fail"]) == (1, 0)
        (item,) = data["results"]
        assert list(item.items()) == [
            ("host_ip", "10.30.12.55"),
            ("service_type", "storage"),
            ("from_version", "1.3"),
            ("to_version", "1.5"),
            ("package_name", "updatepackage_1.5.tar.gz"),
            ("state", "committed"),
            ("scode", 0),
            ("message", ""),
            ("message_cn", ""),
        ]

        wanted = documented("upgrade_package/current/inspect")
        current = same(send(server, "upgrade_package/current/inspect"), wanted)
        package = store(server) / "updatepackage_1.5.tar.gz"
        assert (current["package_name"], current["version"]) == (package.name, "1.5")
        assert (current["md5"], current["size"]) == true_facts(package)
        assert begun <= current["update_time"] <= time.time()

        wanted = documented("compute/version/list")
        (entry,) = same(send(server, "compute/version/list"), wanted)["list"]
        assert shape(entry) == shape(wanted["data"]["list"][0])
        (file,) = (host(server, "10.30.12.55") / "backups").iterdir()
        assert re.fullmatch(r"backup_1\.3_\d{8}_\d{4}\.tar\.gz", file.name)
        assert (entry["package_name"], entry["version"]) == (file.name, "1.3")
        assert (entry["md5"], entry["size"]) == true_facts(file)
        assert begun <= entry["update_time"] <= time.time()
