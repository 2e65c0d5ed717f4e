"""Runs at the admin's door: followed while they go on, paused, resumed, cancelled, retried, rolled back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster, Host
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests.pages import LANGUAGES, enter, faults, refusals, said, url
from tests.upgrades.engine.drive import ask, drive, root
from upgrades.models import HostHold, UpgradeItem, UpgradeRun

ACTS = ("pause", "resume", "retry", "waive", "skip", "cancel", "rollback")


@pytest.fixture
def run(demo_cluster: Cluster, term: int) -> UpgradeRun:
    """A run that nobody has begun."""
    return ask(demo_cluster, "storage", version="1.5")


def act(client: Client, run: UpgradeRun, name: str, **form: str) -> Any:
    return client.post(url(UpgradeRun, name, run.pk), form, follow=True)


def offered(page: Any) -> set[str]:
    return {name for name in ACTS if f"/{name}/" in page.content.decode()}


def progress(client: Client, run: UpgradeRun) -> Any:
    return client.get(url(UpgradeRun, "progress", run.pk))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", Role.values)
def test_a_run_is_followed_until_it_rests(run: UpgradeRun, role: str, language: str) -> None:
    client = enter(role, language)
    page = client.get(url(UpgradeRun, "change", run.pk))
    assert faults(page) == []
    assert f'hx-get="{url(UpgradeRun, "progress", run.pk)}" hx-trigger="every 2s"' in page.content.decode()
    part = progress(client, run)
    assert (part.status_code, faults(part)) == (200, [])
    assert "<html" not in part.content.decode() and "0/1" in part.content.decode()
    assert offered(part) == (set() if role == Role.AUDITOR else {"pause", "waive", "skip", "cancel"})
    UpgradeRun.objects.update(state="paused", paused_by="operator")
    part = progress(client, run)
    assert part.status_code == 286
    assert offered(part) == (
        set() if role == Role.AUDITOR else {"resume", "retry", "waive", "skip", "cancel", "rollback"}
    )
    assert 'hx-trigger="every' not in client.get(url(UpgradeRun, "change", run.pk)).content.decode()


def test_messages_and_next_steps_speak_the_language_of_the_page(run: UpgradeRun) -> None:
    UpgradeItem.objects.update(state="failed", message="It broke.", message_cn="出错了。")
    UpgradeRun.objects.update(state="paused", paused_by="threshold")
    chinese, english = progress(enter(Role.AUDITOR, "zh-hans"), run), progress(enter(Role.AUDITOR), run)
    assert "出错了。" in chinese.content.decode() and "修复后" in chinese.content.decode()
    assert "It broke." in english.content.decode() and "mended" in english.content.decode()
    assert 'class="bad"' in english.content.decode()
    # The message of an error says itself what comes next: it is not said twice.
    UpgradeRun.objects.update(scode=4056, message="The gate is shut. upgrade/resume asks again.")
    told = progress(enter(Role.AUDITOR), run).content.decode()
    assert "asks again" in told and "mended" not in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_act_asks_first(run: UpgradeRun, language: str) -> None:
    client = enter(Role.OPERATOR, language)
    for name in ACTS:
        page = client.get(url(UpgradeRun, name, run.pk))
        assert (page.status_code, faults(page)) == (200, [])
    run.refresh_from_db()
    assert run.state == "pending"


def test_auditors_follow_and_do_nothing(run: UpgradeRun) -> None:
    client = enter(Role.AUDITOR)
    for name in ACTS:
        assert client.get(url(UpgradeRun, name, run.pk)).status_code == 403
        assert client.post(url(UpgradeRun, name, run.pk)).status_code == 403
    run.refresh_from_db()
    assert run.state == "pending"


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.OPERATOR])
def test_pause_resume_and_cancel(run: UpgradeRun, role: str) -> None:
    client = enter(role)
    for _ in range(2):
        assert said(act(client, run, "pause")) == ["The run pauses."]
    run.refresh_from_db()
    assert (run.state, run.paused_by) == ("paused", "operator")
    for _ in range(2):
        assert said(act(client, run, "resume")) == ["The run goes on."]
    run.refresh_from_db()
    assert run.state == "pending"
    for _ in range(2):
        assert said(act(client, run, "cancel")) == ["The run is cancelled."]
    run.refresh_from_db()
    assert run.state == "cancelled" and not HostHold.objects.exists()
    told = AuditRow.objects.filter(door="admin", action__startswith="upgrade.").order_by("seq")
    assert list(told.values_list("action", flat=True)) == ["upgrade.pause", "upgrade.resume", "upgrade.cancel"]


def test_what_the_state_does_not_allow_is_told_in_the_language_of_the_page(run: UpgradeRun) -> None:
    client = enter(Role.OPERATOR, "zh-hans")
    act(client, run, "cancel")
    for name in ("pause", "resume"):
        assert "cancelled" in refusals(act(client, run, name))
    assert "未完成任何变更" in refusals(act(client, run, "rollback"))


def test_a_cancelled_run_is_tried_again(run: UpgradeRun) -> None:
    client = enter(Role.OPERATOR)
    act(client, run, "cancel")
    assert said(act(client, run, "retry")) == ["The run tries again."]
    run.refresh_from_db()
    assert run.state == "pending" and HostHold.objects.count() == 1
    assert refusals(act(client, run, "retry"))


def test_a_run_of_another_kind_of_name_is_not_there(run: UpgradeRun) -> None:
    client = enter(Role.OPERATOR)
    nobody = "00000000-0000-4000-8000-000000000000"
    assert client.get(url(UpgradeRun, "progress", nobody)).status_code == 404
    assert client.get(url(UpgradeRun, "progress", "x")).status_code == 404
    assert client.post(url(UpgradeRun, "pause", nobody))["Location"] == "/admin/"


def test_events_and_steps_of_a_run_are_one_link_away(run: UpgradeRun) -> None:
    client = enter(Role.AUDITOR)
    page = client.get(url(UpgradeRun, "change", run.pk))
    events = client.get(page.context["events_link"]).context["cl"].result_list
    assert [event.subject for event in events] == [run.pk] and Event.objects.count() > 1
    steps = client.get(page.context["steps_link"]).context["cl"].result_list
    assert [step.run_id for step in steps] == [run.pk]
    assert client.get(url(Event, "changelist"), {"subject": "x"}, follow=True).status_code == 200


def test_a_run_with_a_thousand_steps_costs_what_one_with_one_does(run: UpgradeRun) -> None:
    client = enter(Role.OPERATOR)

    def cost(page: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(UpgradeRun, page, run.pk)).status_code == 200
        return len(queries)

    cost("change")
    few = (cost("change"), cost("progress"))
    host = Host.objects.all()[0]
    UpgradeItem.objects.bulk_create(
        UpgradeItem(
            run=run,
            ordinal=n,
            host=host,
            host_ip=f"192.0.2.{n}",
            service_type="cloud",
            package_name="p",
            from_version="1",
            to_version="2",
            state="committed",
        )
        for n in range(10, 1010)
    )
    assert (cost("change"), cost("progress")) == few
    assert few[1] <= 7  # policy (the gate) · session · user · run · steps · earlier changes · pushes
    part = progress(client, run).content.decode()
    assert "1000/1001" in part and "951 more are not shown." in part


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_is_rolled_back_from_its_page(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    done = drive(ask(demo_cluster, "storage", version="1.5"), term)
    assert (done.state, (root() / "storage" / "current").resolve().name) == ("succeeded", "1.5")
    client = enter(Role.OPERATOR)
    begun = act(client, done, "rollback")
    back = UpgradeRun.objects.get(kind="rollback")
    assert begun.redirect_chain == [(url(UpgradeRun, "change", back.pk), 302)]
    assert said(begun) == ["The rollback has begun."] and back.author == "the-operator"
    assert str(back.pk) in refusals(act(client, done, "rollback"))
    assert drive(back, term).state == "succeeded"
    assert (root() / "storage" / "current").resolve().name != "1.5"
    assert "1/1" in progress(client, back).content.decode()


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.OPERATOR])
def test_a_check_is_waived_and_a_host_skipped(run: UpgradeRun, role: str) -> None:
    client = enter(role)
    form = {"host_ip": "10.30.12.55", "check": "disk_space", "reason": "seen"}
    assert said(act(client, run, "waive", **form)) == ["The check is waived."]
    run.refresh_from_db()
    assert run.options["waive"] == [form]
    assert "Is no host of the run" in refusals(act(client, run, "skip", host_ip="192.0.2.1", reason="dead"))
    assert "valid choice" in refusals(act(client, run, "waive", **{**form, "check": "version"}))
    assert said(act(client, run, "skip", host_ip="10.30.12.55", reason="dead")) == ["The host is left out."]
    run.refresh_from_db()
    assert (run.state, run.items.get().skip_reason) == ("cancelled", "dead")
    told = AuditRow.objects.filter(door="admin", action__startswith="upgrade.").order_by("seq")
    assert list(told.values_list("action", flat=True)) == ["upgrade.waive", "upgrade.skip"]


def test_a_definite_failure_is_tried_again_by_a_tick(run: UpgradeRun) -> None:
    UpgradeItem.objects.update(state="failed", definite=True, reason="no_space")
    UpgradeRun.objects.update(state="failed", end_time=run.create_time)
    HostHold.objects.all().delete()
    client = enter(Role.OPERATOR)
    assert "no_space" in refusals(act(client, run, "retry"))
    assert said(act(client, run, "retry", force="on")) == ["The run tries again."]
