"""A run that an operator pauses stays paused, whoever is killed, and goes on when it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.server import packages
from tests.server.hosts import host, rested
from tests.server.processes import until
from tests.server.product import Product

IPS = ("10.30.12.165", "10.30.12.55")


def states(run: dict[str, Any]) -> list[str]:
    return [item["state"] for item in run["results"]]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("service", "killed"), [("storage", "paused"), ("compute", "pausing")])
def test_a_pause_survives_the_death_of_everything(server: Product, tmp_path: Path, service: str, killed: str) -> None:
    gate, version = tmp_path / "gate", {"storage": "2.0", "compute": "2.1"}[service]
    server.upload(packages.build(server, version, packages.gated(tmp_path, service, gate)))
    currents = [host(server, ip) / service / "current" for ip in IPS]
    old = [current.readlink() for current in currents]
    items = [{"host_ip": ip, "service_type": service, "version": version} for ip in IPS]
    body = {"list": items, "options": {"max_parallel": 1}}
    run = server.post("compute/version/upgrade", body)["upgrade_uuid"]

    def look() -> dict[str, Any]:
        found: dict[str, Any] = server.get("upgrade/inspect", upgrade_uuid=run)
        return found

    until("the first host is under way", lambda: states(look())[0] == "verifying", 60)
    assert server.post("upgrade/pause", {"upgrade_uuid": run})["state"] == "pausing"
    if killed == "pausing":
        server.kill_all()
        gate.touch()
        server.start()
    gate.touch()
    # What had begun is brought to its end, and nothing else is begun.
    found = rested(server, run)
    assert (found["state"], found["paused_by"], states(found)) == ("paused", "operator", ["committed", "pushing"])
    if killed == "paused":
        server.kill_all()
        server.start()
        until("a leader is back", lambda: server.get("member/list")["ready"], 60)
    assert (look()["state"], states(look())) == ("paused", ["committed", "pushing"])
    assert [current.readlink() for current in currents] == [Path("releases", version), old[1]]
    held = server.request("POST", "compute/version/upgrade", json={"list": items[1:]})
    assert (held.status_code, run in held.json()["message"]) == (409, True)

    assert server.post("upgrade/resume", {"upgrade_uuid": run})["state"] == "running"
    found = rested(server, run)
    assert (found["state"], states(found)) == ("succeeded", ["committed", "committed"])
    assert [current.readlink() for current in currents] == [Path("releases", version)] * 2
    until("the work folder is removed", lambda: not list((server.data / "work").glob("*")), 30)
