"""The switches for old clients, set in the environment of the running product."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.product import Product, product


@pytest.fixture(scope="module")
def lenient() -> Iterator[Product]:
    """A server with every switch on."""
    with product(SYSMGR_ALWAYS_200="true", SYSMGR_LENIENT_KEYS="true", SYSMGR_REVEAL_SECRETS="true") as made:
        yield made


@pytest.mark.alike
def test_the_block_of_switches_serves_an_old_client(lenient: Product) -> None:
    refused = lenient.client.get(f"{lenient.base}/v1/system/setting/inspect")
    assert (refused.status_code, refused.json()["scode"]) == (200, 1001)
    changes = {"mail_setting": {"smtp_password": "s3cret-of-the-server-test", "smtp_flavour": "vanilla"}}
    stored = lenient.post("setting/update", changes)
    assert stored["mail_setting"]["smtp_password"] == "s3cret-of-the-server-test"
    assert lenient.get("mail_setting/inspect")["smtp_password"] == "s3cret-of-the-server-test"
    assert lenient.request("GET", "no/such").status_code == 404


@pytest.mark.alike
def test_the_log_and_doctor_warn_while_secrets_are_shown(lenient: Product) -> None:
    assert "SYSMGR_REVEAL_SECRETS is on" in lenient.errors()
    doctor = lenient.manage("doctor")
    assert "warning  switches" in doctor.stdout and "in clear" in doctor.stdout
    assert "s3cret-of-the-server-test" not in lenient.errors() + doctor.stdout
