"""Two servers on one PostgreSQL: what is changed at one binds at the other with the next request, in every worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from tests.server.product import Product, product, server_url

pytestmark = [
    pytest.mark.skipif(not server_url(), reason="on SQLite there is exactly one"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
HOME = "198.51.100.1"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Product, Product]]:
    """Two servers that share database and data directory; a proxy's header says from where each request comes."""
    with product(started=False, SYSMGR_TRUSTED_PROXIES="127.0.0.1", SYSMGR_ADDRESS="127.0.0.1") as one:
        one.start()
        folder: Path = tmp_path_factory.mktemp("second")
        shared = {**one.variables, "SYSMGR_DATA_DIR": str(one.data), "SYSMGR_ADDRESS": "127.0.0.2"}
        two = Product(folder, **shared)
        two.data = one.data
        try:
            two.start()
            for server in (one, two):
                server.client.headers["X-Forwarded-For"] = HOME
                server.log_in()
            yield one, two
        finally:
            two.close()


def change(server: Product, **sections: Any) -> None:
    server.post("setting/update", sections)


def seen(server: Product, source: str) -> set[int]:
    """Ask often enough for every worker to answer; return the statuses."""
    with httpx.Client(trust_env=False, headers={"X-Forwarded-For": source, "Connection": "close"}) as client:
        return {client.get(f"{server.base}/admin/login/").status_code for _ in range(8)}


def test_access_control_binds_on_the_other_at_the_next_request(pair: tuple[Product, Product]) -> None:
    one, two = pair
    for ruling, obeying in ((one, two), (two, one)):
        assert seen(obeying, "192.0.2.7") == {200}
        ranges = {"enabled": True, "whitelist": False, "ip_ranges": {"ranges": ["192.0.2.0/24"]}}
        change(ruling, access_control_policy={"ip_access_control_policy": ranges})
        assert seen(obeying, "192.0.2.7") == {403}
        assert seen(obeying, HOME) == {200}
        change(ruling, access_control_policy={"ip_access_control_policy": {"enabled": False}})
        assert seen(obeying, "192.0.2.7") == {200}


def test_time_windows_bind_on_the_other_too(pair: tuple[Product, Product]) -> None:
    one, two = pair
    always = [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "end": "00:00"}]
    closed = {"enabled": True, "time_zone": "UTC", "whitelist": False, "windows": always}
    one.post(
        "setting/update", {"access_control_policy": {"time_access_control_policy": closed}, "confirm_lockout": True}
    )
    assert seen(two, HOME) == {403}
    opened = two.manage("settings_set", "access_control_policy.time_access_control_policy=null")
    assert opened.returncode == 0, opened.stderr
    assert seen(one, HOME) == {200}


def guess(server: Product, name: str) -> int:
    body = {"user": name, "password": "wrong"}
    return server.client.post(f"{server.base}/v1/authentication/login", json=body).status_code


def test_wrong_log_ins_at_both_count_together(pair: tuple[Product, Product]) -> None:
    one, two = pair
    change(one, login_policy={"login_fail_retry_times": 3, "login_fail_punish_seconds": 300})
    assert [guess(server, "nobody") for server in (two, one, two, one, two)] == [401, 401, 401, 429, 429]


def test_a_password_rule_binds_at_the_other(pair: tuple[Product, Product]) -> None:
    one, two = pair
    change(one, password_complexity_policy={"password_minimum_length": 40})
    body = {"user_name": "short", "role": "auditor", "email": "", "password": "Right-Horse-7-Battery"}
    assert two.request("POST", "user/create", json=body).status_code == 400
    change(two, password_complexity_policy={"password_minimum_length": 3})
    assert one.request("POST", "user/create", json=body).status_code == 200


def test_a_shorter_life_of_tokens_binds_on_the_other(pair: tuple[Product, Product]) -> None:
    one, two = pair
    old = {"Authorization": f"Bearer {two.log_in()['token']}"}
    statement = (
        "UPDATE accounts_token SET create_time = create_time - interval '100 seconds' "
        "WHERE uuid = (SELECT uuid FROM accounts_token ORDER BY create_time DESC LIMIT 1)"
    )
    connection = psycopg2.connect(one.variables["DATABASE_URL"])
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()
    one.log_in()
    url = f"{two.base}/v1/system/version"
    assert two.client.get(url, headers=old).status_code == 200
    change(one, login_policy={"token_expire_second": 60})
    assert two.client.get(url, headers=old).status_code == 401
    change(one, login_policy={"token_expire_second": 2592000})
    assert two.client.get(url, headers=old).status_code == 401  # a longer life revives nobody
    for server in pair:
        server.log_in()
