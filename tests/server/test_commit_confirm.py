"""A change on probation outlives `kill -9`: after the next start it is taken back at its deadline, and that is told."""

from __future__ import annotations

from tests.server.processes import until
from tests.server.product import Product


def test_a_change_that_nobody_confirmed_goes_back_though_the_server_was_killed(fresh: Product) -> None:
    fresh.start()
    start = fresh.get("setting/inspect")["storage_setting"]["hop_hc"]
    body = {"storage_setting": {"hop_hc": start + 1}, "confirm_within_seconds": 3}
    assert fresh.post("setting/update", body)["storage_setting"]["hop_hc"] == start + 1
    waiting = fresh.get("setting/pending")
    fresh.kill_all()
    fresh.start()
    until("the old value", lambda: fresh.get("setting/inspect")["storage_setting"]["hop_hc"] == start, 20)
    assert fresh.get("setting/pending") is None
    newest = fresh.get("setting/revision/list")["list"][0]
    told = {key: newest[key] for key in ("revision", "kind", "of_revision", "author")}
    number = waiting["revision"]
    assert told == {"revision": number + 1, "kind": "revert", "of_revision": number - 1, "author": "system"}
    assert newest["time"] >= waiting["deadline"]
    alerts = fresh.get("alert/list", state="open", filter_name="setting.revert.")["list"]
    assert [alert["severity"] for alert in alerts] == ["warning"]


def test_a_confirmed_one_stands_after_that(fresh: Product) -> None:
    fresh.start()
    fresh.post("setting/update", {"storage_setting": {"hop_hc": 41}, "confirm_within_seconds": 2})
    fresh.post("setting/confirm", {})
    fresh.kill_all()
    fresh.start()
    assert fresh.get("setting/inspect")["storage_setting"]["hop_hc"] == 41
    assert fresh.get("setting/revision/list")["list"][0]["kind"] == "update"
