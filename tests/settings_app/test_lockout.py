"""Nobody locks himself out: the checks of those who enforce a setting stop its change, unless it is confirmed."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client

from cluster.models import Cluster
from settings_app.models import LoginPolicy
from settings_app.services import create_defaults
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event

from .steps import HOP, PATH, TRIES, UPDATE, doors, leaves_no_trace, post, stored


def test_a_change_that_would_refuse_its_author_is_a_conflict_that_names_the_path(api: Client) -> None:
    with doors(hard=False) as seen:
        answer = leaves_no_trace(lambda: post(api, UPDATE, TRIES))
    assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (409, 3050, PATH)
    assert "would refuse you" in answer.json()["message"]
    assert "`confirm_lockout: true`" in answer.json()["message"]
    assert "会拒绝您" in answer.json()["message_cn"]
    assert stored(api)["login_policy"]["login_fail_retry_times"] == 1
    assert seen.applied == []


def test_it_goes_on_when_that_is_confirmed_and_is_applied(api: Client) -> None:
    with doors(hard=False) as seen:
        assert post(api, UPDATE, {**TRIES, "confirm_lockout": True}).status_code == 200
    [change] = seen.applied
    assert change.before.login.login_fail_retry_times == 1
    assert change.after.login.login_fail_retry_times == 9
    assert (change.actor.user_name, change.actor.door, change.actor.source) == ("a-administrator", "api", "127.0.0.1")
    assert change.actor.token_uuid is not None


def test_what_shuts_everybody_out_can_not_be_confirmed(api: Client) -> None:
    with doors(hard=True):
        answer = leaves_no_trace(lambda: post(api, UPDATE, {**TRIES, "confirm_lockout": True}))
    assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (409, 3051, PATH)


def test_commands_open_the_door_whatever_the_soft_checks_say(cluster: Cluster) -> None:
    with doors(hard=False) as seen:
        call_command("settings_set", f"{PATH}=9")
    assert LoginPolicy.objects.get(cluster=cluster).login_fail_retry_times == 9
    assert len(seen.applied) == 1


def test_nobody_is_asked_about_what_the_doors_do_not_obey(api: Client) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    with doors(hard=True) as seen:
        assert post(api, UPDATE, HOP).status_code == 200
        assert post(api, UPDATE, {"login_policy": {"login_fail_retry_times": 1}}).status_code == 200
        assert post(api, UPDATE, {**TRIES, "cluster_uuid": str(other.pk)}).status_code == 200
    assert (seen.asked, seen.applied) == ([], [])


def test_what_the_model_refuses_asks_nobody(api: Client) -> None:
    with doors(hard=True) as seen:
        assert post(api, UPDATE, {"multi_authentication_setting": {"enabled": True}}).status_code == 400
    assert seen.asked == []


@pytest.mark.parametrize("hard", [False, True])
def test_another_default_cluster_is_put_to_the_same_checks(api: Client, cluster: Cluster, hard: bool) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    body = {"cluster_uuid": str(other.pk), "default": True}
    with doors(hard=hard) as seen:
        refused = leaves_no_trace(lambda: post(api, "cluster/update", body))
        assert (refused.status_code, refused.json()["scode"]) == (409, 3051 if hard else 3050)
        confirmed = post(api, "cluster/update", {**body, "confirm_lockout": True})
    assert confirmed.status_code == (409 if hard else 200)
    assert Cluster.objects.get(default=True) == (cluster if hard else other)
    before_and_after = [(change.before.cluster_uuid, change.after.cluster_uuid) for change in seen.applied]
    assert before_and_after == ([] if hard else [(cluster.pk, other.pk)])


def test_the_first_cluster_of_ones_own_is_put_to_them_too(api: Client, cluster: Cluster) -> None:
    with doors(hard=False) as seen:
        assert leaves_no_trace(lambda: post(api, "cluster/create", {"name": "first"})).status_code == 409
        made = post(api, "cluster/create", {"name": "first", "confirm_lockout": True})
        assert post(api, "cluster/create", {"name": "second"}).status_code == 200
    assert made.json()["data"]["default"] is True
    [change] = seen.applied
    assert change.before.login.login_fail_retry_times == 1
    assert change.after.login.login_fail_retry_times == 5
    assert Event.objects.filter(kind="cluster.default_changed").count() == 1
