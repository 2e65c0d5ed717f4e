"""A host that another installation drives: nobody takes it by accident, and who takes it leaves a trace."""

from __future__ import annotations

import json
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cluster.models import Cluster, Host
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Alert, Event

from .engine.drive import IP, ask, content, go, root, states

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "8b0f2a51-0c1e-4a3e-9a77-4d8f2f6f0c11"


@pytest.fixture
def foreign(demo_cluster: Cluster, term: int) -> Path:
    """The fence of a host that another installation drove last, in a higher term than ours."""
    fence = root() / ".sysmgr" / "fence"
    fence.parent.mkdir(exist_ok=True)
    fence.write_text(f"{OTHER} {term + 70}\n")
    return fence


def take(*words: str) -> Any:
    out = StringIO()
    call_command("host_take_over", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_an_upgrade_leaves_a_foreign_host_alone(demo_cluster: Cluster, term: int, foreign: Path) -> None:
    before = content(root())
    run = ask(demo_cluster, "compute")
    go(run, term)
    assert states(run) == ["failed"]
    after = content(root())
    assert {name: data for name, data in after.items() if name not in (".sysmgr/agent", ".sysmgr/lock")} == before
    assert foreign.read_text() == f"{OTHER} {term + 70}\n"


def test_it_says_whose_it_is_and_changes_nothing(demo_cluster: Cluster, foreign: Path) -> None:
    told = foreign.read_text()
    assert take(IP) == {"host_ip": IP, "owner": OTHER}
    assert foreign.read_text() == told and not AuditRow.objects.filter(action="host.take_over").exists()


def test_whoever_takes_it_names_the_owner_and_leaves_a_trace(demo_cluster: Cluster, term: int, foreign: Path) -> None:
    assert take(IP, "--from", OTHER, "--reason", "moved here") == {
        "host_ip": IP,
        "was": OTHER,
        "owner": str(demo_cluster.pk),
    }
    assert foreign.read_text() == f"{demo_cluster.pk} {term}\n"
    row = AuditRow.objects.get(action="host.take_over")
    assert (row.door, row.result) == ("command", "success") and "moved here" in json.dumps(row.changes)
    assert Event.objects.filter(kind="host.taken_over", severity="warning").count() == 1
    assert Alert.objects.filter(key__startswith="host.taken_over:", close_time=None).count() == 1
    run = ask(demo_cluster, "compute")
    go(run, term)
    assert states(run) == ["committed"]


def test_another_owner_than_the_named_one_is_refused_and_audited(demo_cluster: Cluster, foreign: Path) -> None:
    told = foreign.read_text()
    with pytest.raises(CommandError, match=OTHER):
        take(IP, "--from", str(uuid.uuid4()), "--reason", "guessed")
    assert foreign.read_text() == told
    assert AuditRow.objects.get(action="host.take_over").result != "success"


def test_an_upgrade_that_was_cut_there_asks_for_more(demo_cluster: Cluster, foreign: Path) -> None:
    half = root() / ".sysmgr" / "tasks" / "half"
    half.mkdir(parents=True)
    (half / "activate.stop.mark").write_text("started\n")
    with pytest.raises(CommandError, match="busy_task"):
        take(IP, "--from", OTHER, "--reason", "moved here")
    assert foreign.read_text().startswith(OTHER)
    take(IP, "--from", OTHER, "--reason", "the other one burned down", "--force")
    assert foreign.read_text().startswith(str(demo_cluster.pk))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((IP, "--from", OTHER), "--reason"),
        ((IP, "--from", "nobody", "--reason", "x"), "UUID"),
        (("192.0.2.99", "--from", OTHER, "--reason", "x"), "host"),
    ],
)
def test_what_makes_no_sense_is_refused(
    demo_cluster: Cluster, foreign: Path, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        take(*words)
    assert Host.objects.filter(host_ip=IP).exists() and foreign.read_text().startswith(OTHER)
