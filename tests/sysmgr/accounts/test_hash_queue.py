"""The queue of hashes: one is computed at a time, few wait, the others are told to come back and cost nobody a try."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from cluster.models import Cluster
from settings_app.policy import current_policy
from settings_app.services import update_settings
from sysmgr.accounts import hashing, login
from sysmgr.accounts.login_errors import HashQueueFull
from sysmgr.accounts.models import LoginGuard, Token
from sysmgr.api import bodies, login_queue
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.contract.described import DescribedClient
from tests.together import at_once

from .calls import PASSWORD, enter_admin, enter_api, person, policy

PLACES = 21  # one is computed, twenty wait


def refuse_address(cluster: Cluster, address: str) -> None:
    black = {"enabled": True, "whitelist": False, "ip_ranges": {"ranges": [address]}}
    update_settings(cluster, {"access_control_policy": {"ip_access_control_policy": black}}, SYSTEM)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[contextlib.ExitStack]:
    """A queue without a place left, until the stack is closed."""
    monkeypatch.setattr(login, "_noted", -1.0)
    monkeypatch.setattr(login_queue, "_policy", None)
    monkeypatch.setattr(login_queue, "_PAUSE_SECONDS", 0.0)
    with contextlib.ExitStack() as held:
        for _ in range(PLACES):
            held.enter_context(hashing.place())
        yield held


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is within the second of one trace and one policy, however slow this machine is."""
    monkeypatch.setattr(login, "_noted", time.monotonic() + 600)
    monkeypatch.setattr(login_queue, "_TRUSTED_SECONDS", 600.0)


def test_one_is_computed_and_twenty_wait(full: contextlib.ExitStack) -> None:
    with pytest.raises(HashQueueFull), hashing.place():
        pytest.fail("one too many")
    full.close()
    with contextlib.ExitStack() as again:
        for _ in range(PLACES):
            again.enter_context(hashing.place())


@pytest.mark.parametrize(("threads", "wait"), [(2, 0), (4, 0), (8, 4), (23, 19), (24, 20), (256, 20)])
def test_a_worker_of_few_threads_keeps_some_for_others(threads: int, wait: int) -> None:
    assert hashing.most_waiting(threads) == wait


def test_a_place_is_given_back_whatever_happens_in_it() -> None:
    for _ in range(PLACES + 1):
        with pytest.raises(RuntimeError), hashing.place():
            raise RuntimeError


def test_the_api_says_when_to_come_back_and_counts_nothing(cluster: Cluster, full: contextlib.ExitStack) -> None:
    policy(cluster, login_fail_retry_times=1)
    person()
    for password in (PASSWORD, "wrong", "wrong"):
        answer = enter_api(password)
        assert (answer.status_code, answer.json()["scode"]) == (429, 1066)
        assert int(answer["Retry-After"]) > 0
    assert not LoginGuard.objects.exists() and not Token.objects.exists()
    full.close()
    assert enter_api().status_code == 200


def test_an_unknown_user_is_told_the_same(cluster: Cluster, full: contextlib.ExitStack) -> None:
    person()
    assert enter_api("wrong").content == enter_api("wrong", "nobody").content == enter_api().content


def test_the_admin_says_it_on_its_page(cluster: Cluster, full: contextlib.ExitStack) -> None:
    person()
    page = enter_admin().answer  # type: ignore[attr-defined]
    assert page.status_code == 200 and "Too many log-ins are waiting" in page.content.decode()
    assert not Token.objects.exists()
    full.close()
    assert enter_admin().answer.status_code == 302  # type: ignore[attr-defined]


def test_a_change_of_the_password_waits_in_the_same_queue(cluster: Cluster, full: contextlib.ExitStack) -> None:
    person()
    full.close()
    client = DescribedClient(headers={"Authorization": f"Bearer {enter_api().json()['data']['token']}"})
    body = json.dumps({"old_password": PASSWORD, "new_password": "Other-Horse-8-Battery"})
    with contextlib.ExitStack() as held:
        for _ in range(PLACES):
            held.enter_context(hashing.place())
        answer = client.post("/v1/authentication/password/change", body, content_type="application/json")
    assert (answer.status_code, answer.json()["scode"]) == (429, 1066)


def test_a_flood_leaves_one_trace_that_names_nobody(cluster: Cluster, full: contextlib.ExitStack) -> None:
    for number in range(5):
        enter_api("wrong", f"nobody-{number}")
    row = AuditRow.objects.get(action="login.queue")
    assert (row.user_name, row.source, row.door, row.result) == ("", "192.0.2.7", "api", "refused")
    assert not AuditRow.objects.filter(action="login").exists()


def test_what_was_just_noted_is_not_noted_again(
    cluster: Cluster, full: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "_noted", time.monotonic() + 60)  # however slow this machine is
    enter_api("wrong", "nobody")
    assert not AuditRow.objects.filter(action="login.queue").exists()


def test_hashes_are_computed_one_at_a_time_in_a_thread_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, together, threads = threading.Lock(), [], set()

    def computed(password: str, encoded: str) -> bool:
        together.append(not at_work.acquire(blocking=False))
        threads.add(threading.get_native_id())
        time.sleep(0.01)
        if not together[-1]:
            at_work.release()
        return password == encoded

    monkeypatch.setattr(hashing, "_matches", computed)
    found = at_once([partial(hashing.matches, str(number), "3") for number in range(8)])
    assert found == [number == 3 for number in range(8)]
    assert together == [False] * 8
    assert len(threads) == 1 and threading.get_native_id() not in threads


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="this system knows no priorities")
def test_the_thread_steps_back_and_the_others_do_not() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    theirs = hashing._in_turn(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert theirs == min(mine + hashing._NICER, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine


def test_a_priority_that_can_not_be_set_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    monkeypatch.setattr(hashing, "_threads", {})
    assert hashing._in_turn(lambda: 7) == 7
    hashing._threads[os.getpid()].shutdown()


def test_a_hash_that_fails_tells_its_caller_and_holds_up_nobody() -> None:
    with pytest.raises(ZeroDivisionError):
        hashing._in_turn(lambda: 1 // 0)
    assert hashing._in_turn(lambda: 7) == 7


def test_a_forked_worker_has_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashing._in_turn(threading.get_native_id)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert hashing._in_turn(threading.get_native_id) != before
    hashing._threads.pop(-1).shutdown()


def test_it_is_said_without_a_query_once_the_policy_was_read(
    cluster: Cluster, full: contextlib.ExitStack, one_second: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    person()
    before = enter_api("wrong")  # goes through the gate, which reads the policy
    with django_assert_num_queries(0):
        answer = enter_api("wrong", "nobody")
    assert (answer.status_code, answer.json()) == (429, before.json())
    assert int(answer["Retry-After"]) == int(before["Retry-After"])
    full.close()
    assert enter_api().status_code == 200


def test_access_control_comes_before_the_queue(cluster: Cluster, full: contextlib.ExitStack) -> None:
    person()
    enter_api("wrong")
    assert login_queue._policy is not None
    refuse_address(cluster, "192.0.2.7")
    login_queue.note(current_policy())
    assert enter_api("wrong").status_code == 403
    assert AuditRow.objects.filter(action="access").exists()


def test_a_policy_that_is_no_longer_fresh_is_read_again(
    cluster: Cluster, full: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    person()
    enter_api("wrong")
    refuse_address(cluster, "192.0.2.7")
    monkeypatch.setattr(login_queue, "_TRUSTED_SECONDS", 0.0)
    assert enter_api("wrong").status_code == 403


def test_only_so_many_are_kept_waiting_for_their_answer(
    cluster: Cluster, full: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others hear it at once: the last threads are everybody else's."""
    person()
    enter_api("wrong")
    monkeypatch.setattr(login_queue, "_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(login_queue, "_pausing", threading.BoundedSemaphore(1))
    with login_queue._pausing:
        begun = time.monotonic()
        assert enter_api("wrong").status_code == 429
        assert time.monotonic() - begun < 15


def test_the_log_in_page_says_it_without_a_query_too(
    cluster: Cluster, full: contextlib.ExitStack, one_second: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    person()
    enter_api("wrong")  # the gate reads the policy
    with django_assert_num_queries(0):
        answer = enter_admin().answer  # type: ignore[attr-defined]
    assert (answer.status_code, answer["Retry-After"]) == (429, "5") and "Content-Security-Policy" in answer.headers
    refuse_address(cluster, "192.0.2.7")
    login_queue.note(current_policy())
    assert enter_admin().answer.status_code == 403  # type: ignore[attr-defined]


def test_forms_of_one_source_that_wait_already_cost_the_others_no_query(
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    one_second: None,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    person()
    monkeypatch.setattr(login_queue, "_PAUSE_SECONDS", 0.0)
    login_queue.note(current_policy())
    with contextlib.ExitStack() as held:
        for _ in range(bodies.PER_SOURCE):
            held.enter_context(bodies.receiving("192.0.2.7"))
        with django_assert_num_queries(0):
            answer = enter_admin().answer  # type: ignore[attr-defined]
        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
        assert enter_admin(source="192.0.2.8").answer.status_code == 302  # type: ignore[attr-defined]
