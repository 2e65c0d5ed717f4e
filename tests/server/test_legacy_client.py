"""The whole exchange of the known old client, against the running product with its two switches."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.server.product import Product, product

READS = (
    "version",
    "member/list",
    "mail_setting/inspect",
    "setting/inspect",
    "upgrade_package/list",
    "compute/version/list?host_ip=10.30.12.161",
)


@pytest.fixture(scope="module")
def legacy() -> Iterator[Product]:
    """A server with the switches that the old client needs; its first password was set while they were on."""
    with product(SYSMGR_ALWAYS_200="true", SYSMGR_LEGACY_LOGIN="true") as made:
        yield made


def asked(answer: httpx.Response) -> Any:
    """Return the data, as the client reads it: any status but 200 ends it, then it looks at `scode`."""
    assert answer.status_code == 200
    body = answer.json()
    assert body["scode"] == 0, body
    return body["data"]


@pytest.mark.alike
def test_the_old_client_comes_in_and_works(legacy: Product) -> None:
    password = legacy.password()
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    with httpx.Client(timeout=20) as client:
        wrong = client.post(
            f"{legacy.base}/v1/authentication/login", json={"User": "admin", "Tenant": "", "Password": "0" * 32}
        )
        assert wrong.status_code == 200 and wrong.json()["scode"] != 0 and wrong.json()["message_cn"]
        time.sleep(1.1)  # the demo locks for a second after one failure
        said = {"User": "admin", "Tenant": "", "Password": digest}
        entered = asked(client.post(f"{legacy.base}/v1/authentication/login", json=said))
        assert entered["default_cluster_uuid"] and entered["enable_ldap"] == 0
        members = entered["system_member_list"]
        assert members["leader"] in {*members["candidates"], "127.0.0.1"}
        # It replaces the host of its address by the leader, with the same scheme and port.
        base = str(httpx.URL(legacy.base).copy_with(host=members["leader"] or "127.0.0.1")).rstrip("/")
        bearer = {"Authorization": f"Bearer {entered['token']}"}
        assert not asked(client.get(f"{base}/v1/apikey/list", headers=bearer))["list"]
        key = asked(client.post(f"{base}/v1/apikey/create", json={}, headers=bearer))["uuid"]
        for path in READS:
            query = "&" if "?" in path else "?"
            url = f"{base}/v1/system/{path}{query}cluster_uuid={entered['default_cluster_uuid']}"
            answer = client.get(url, headers={"ApiKey": key})
            assert answer.status_code == 200
            if path != "version":
                assert answer.json()["scode"] == 0, (path, answer.text)
        assert client.get(f"{base}/v1/system/version", headers={"ApiKey": "smk_x"}).json()["scode"] == 1002
