"""How far a run is and what its steps said, at the admin's door."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.accounts.models import Role
from tests.pages import LANGUAGES, enter, faults, url
from tests.upgrades.engine.drive import ask
from upgrades.models import StepLog, UpgradeItem, UpgradeRun

NOW = timezone.now()
MB = 1024 * 1024


@pytest.fixture
def run(demo_cluster: Cluster, term: int) -> UpgradeRun:
    """A run that pushes one of its payloads, and whose other service failed; an earlier change took 100 s."""
    run = ask(demo_cluster, "storage", "compute", version="1.5")
    UpgradeRun.objects.update(state="running", prechecked=True)
    run.items.filter(service_type="storage").update(state="pushing", payload_bytes=4 * MB, sent=MB)
    run.items.filter(service_type="compute").update(state="failed", reason="no_space", payload_bytes=0)
    earlier = UpgradeRun.objects.create(cluster=demo_cluster, state="succeeded", end_time=NOW)
    UpgradeItem.objects.create(
        run=earlier,
        ordinal=0,
        service_type="storage",
        state="committed",
        begin_time=NOW - timedelta(seconds=100),
        end_time=NOW,
    )
    item = run.items.get(service_type="compute")
    for code, text in ((0, ""), (14, "no_space <b>full</b>\nsecond line")):
        StepLog.objects.create(
            item=item, task=item.task, step="stage", begin_time=NOW, seconds=1.5, code=code, text=text
        )
    run.refresh_from_db()
    return run


def progress(client: Client, run: UpgradeRun) -> str:
    page = client.get(url(UpgradeRun, "progress", run.pk))
    assert faults(page) == []
    return page.content.decode()


def test_a_run_shows_how_far_it_is_and_what_is_left(run: UpgradeRun) -> None:
    told = progress(enter(Role.AUDITOR), run)
    assert "1.0\xa0MB of 4.0\xa0MB are pushed." in told and "About 2 min are left." in told
    assert told.index("no_space") < told.index('value="4"')  # what failed stands first; a quarter of the first step
    assert 'value="100"' in told
    UpgradeRun.objects.filter(pk=run.pk).update(state="paused", paused_by="operator")
    assert "are left" not in progress(enter(Role.AUDITOR), run)


@pytest.mark.parametrize("language", LANGUAGES)
def test_step_logs_are_one_link_away(run: UpgradeRun, language: str) -> None:
    client = enter(Role.AUDITOR, language)
    page = client.get(url(UpgradeRun, "change", run.pk))
    all_of_run = client.get(page.context["logs_link"]).context["cl"].result_list
    assert [log.code for log in all_of_run] == [14, 0]
    item = run.items.get(service_type="compute")
    of_item = client.get(f"{page.context['log_link']}{item.pk}")
    assert faults(of_item) == [] and len(of_item.context["cl"].result_list) == 2
    none = client.get(f"{page.context['log_link']}{run.items.get(service_type='storage').pk}")
    assert len(none.context["cl"].result_list) == 0
    shown = client.get(url(StepLog, "change", all_of_run[0].pk))
    assert faults(shown) == []
    assert "no_space &lt;b&gt;full&lt;/b&gt;\nsecond line</pre>" in shown.content.decode()
