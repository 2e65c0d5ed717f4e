"""Confirmations, deadlines, restores and writes at the same time: each change ends once, in one way."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from settings_app import pending
from settings_app.models import PendingChange, SettingRevision
from settings_app.services import update_settings
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Alert, Event
from tests.together import at_once

from .steps import CONFIRM, HOP, RESTORE, TRIES, UPDATE, let_pass, post, stored

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8


def test_replicas_that_come_together_take_it_back_once(cluster: Cluster) -> None:
    update_settings(cluster, HOP, SYSTEM, confirm_within_seconds=60)
    let_pass()
    assert sorted(at_once([pending.take_back_due] * AT_ONCE)) == [0] * (AT_ONCE - 1) + [1]
    assert SettingRevision.objects.filter(kind="revert").count() == 1
    assert AuditRow.objects.filter(action="setting.revert").count() == 1
    assert Event.objects.filter(kind="setting.reverted").count() == 1
    assert Alert.objects.get(key=f"setting.revert.{cluster.pk}").count == 1


def test_at_the_deadline_it_is_confirmed_or_taken_back_and_never_both(api: Client, cluster: Cluster) -> None:
    for hops in range(10, 14):
        update_settings(cluster, {"storage_setting": {"hop_hc": hops}}, SYSTEM, confirm_within_seconds=60)
        before = SettingRevision.objects.filter(kind="revert").count()
        PendingChange.objects.update(deadline=timezone.now() + timedelta(milliseconds=25))
        calls: list[Any] = [lambda: post(api, CONFIRM, {}).status_code == 200, pending.take_back_due] * 4
        answers = at_once(calls)
        pending.take_back_due()
        confirmed = answers[::2].count(True)
        waiting = PendingChange.objects.count()  # nobody confirmed and the deadline has not come yet
        reverts = SettingRevision.objects.filter(kind="revert").count() - before
        assert confirmed + reverts + waiting == 1
        let_pass()
        pending.take_back_due()
        assert stored(api)["storage_setting"]["hop_hc"] == (hops if confirmed else 1)
        if confirmed:
            update_settings(cluster, {"storage_setting": {"hop_hc": 1}}, SYSTEM)


def test_of_confirmations_at_once_one_is_right_and_writes_wait_for_it(api: Client, cluster: Cluster) -> None:
    update_settings(cluster, HOP, SYSTEM, confirm_within_seconds=60)
    calls = [lambda: post(api, CONFIRM, {}), lambda: post(api, UPDATE, TRIES)] * 4
    answers = at_once(calls)
    assert Counter(answer.status_code for answer in answers[::2]) == {200: 1, 404: 3}
    assert {answer.status_code for answer in answers[1::2]} <= {200, 409}
    assert AuditRow.objects.filter(action="setting.confirm").count() == 1
    assert stored(api)["storage_setting"] == HOP["storage_setting"]


def test_of_changes_on_probation_at_once_one_begins(api: Client) -> None:
    bodies = [{"storage_setting": {"hop_hc": n}, "confirm_within_seconds": 60} for n in range(2, 2 + AT_ONCE)]
    answers = at_once([lambda body=body: post(api, UPDATE, body) for body in bodies])  # type: ignore[misc]
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: AT_ONCE - 1}
    assert (PendingChange.objects.count(), SettingRevision.objects.count()) == (1, 2)


def test_restores_at_once_make_one_revision(api: Client, cluster: Cluster) -> None:
    update_settings(cluster, HOP, SYSTEM)
    answers = at_once([lambda: post(api, RESTORE, {"revision": 1})] * AT_ONCE)
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    assert SettingRevision.objects.filter(kind="restore").count() == 1
    update_settings(cluster, HOP, SYSTEM)
    answers = at_once([lambda: post(api, RESTORE, {"revision": 1, "if_revision": 4})] * AT_ONCE)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: AT_ONCE - 1}


def test_the_first_cluster_of_ones_own_and_writes_of_the_demo_wait_for_each_other(api: Client) -> None:
    calls: list[Any] = [lambda: post(api, "cluster/create", {"name": "first"})]
    calls += [lambda n=n: post(api, UPDATE, {"storage_setting": {"hop_hc": n}}) for n in range(2, 2 + AT_ONCE)]
    assert [answer.status_code for answer in at_once(calls)] == [200] * (AT_ONCE + 1)
