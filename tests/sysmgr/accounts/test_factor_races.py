"""The second factor when calls come at once: one code lets one in, one enrolment is confirmed, one way in stays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.accounts import factor
from sysmgr.accounts.models import RecoveryCode, SecondFactor, User
from sysmgr.audit.services import SYSTEM
from sysmgr.errors import LoginRefused, SysmgrError
from tests.together import at_once

from .calls import person, policy
from .factors import SECTION, actor, ask, asked, enrol, shown

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 30


@pytest.fixture
def anna(cluster: Cluster) -> User:
    """An administrator with a second factor, which is asked for."""
    user = person()
    enrol(user)
    ask(cluster)
    return user


def outcome(call: Callable[[], Any]) -> str:
    try:
        call()
    except SysmgrError as error:
        return error.name()
    return "in"


def test_one_code_lets_one_in(anna: User) -> None:
    now = timezone.now()
    one = partial(factor.check, anna, shown(anna, 0, now), asked(), actor(anna), now)
    assert sorted(at_once([partial(outcome, one)] * AT_ONCE)) == [LoginRefused.name()] * (AT_ONCE - 1) + ["in"]


def test_codes_of_three_steps_never_go_back(anna: User) -> None:
    now = timezone.now()
    codes = [shown(anna, steps, now) for steps in (-1, 0, 1)]
    calls = [partial(factor.check, anna, code, asked(), actor(anna), now) for code in codes * 5]
    told = at_once([partial(outcome, call) for call in calls])
    assert 1 <= told.count("in") <= 3
    assert SecondFactor.objects.get().last_step == int(now.timestamp()) // 30 + 1


def test_one_recovery_code_lets_one_in(cluster: Cluster) -> None:
    user = person()
    code = enrol(user)[0]
    ask(cluster)
    one = partial(factor.check, user, code, asked(), actor(user))
    assert at_once([partial(outcome, one)] * 10).count("in") == 1
    assert RecoveryCode.objects.filter(used_time=None).count() == 9


def test_one_confirmation(cluster: Cluster) -> None:
    policy(cluster, login_fail_retry_times=0)
    user, now = person(), timezone.now()
    factor.enroll(user, actor(user))
    one = partial(factor.confirm, user, shown(user, 0, now), actor(user), now)
    assert sorted(at_once([partial(outcome, one)] * 6)) == ["FactorConfirmed"] * 5 + ["in"]
    assert RecoveryCode.objects.count() == 10


def test_enrolments_at_once_leave_one(cluster: Cluster) -> None:
    user = person()
    made = at_once([partial(factor.enroll, user, actor(user))] * 6)
    assert SecondFactor.objects.get().secret.reveal() in [one.secret for one in made]


def test_removed_and_used_at_once(anna: User) -> None:
    """A log-in, a removal and a reset by recovery codes take their rows and the audit's lock in one order."""
    boris = person("boris")
    codes = enrol(boris)
    calls: list[Callable[[], Any]] = [
        partial(factor.check, boris, code, asked(), actor(boris), None) for code in codes[:4]
    ]
    calls += [partial(factor.remove, boris, codes[5], actor(boris)), partial(factor.reset, boris, actor(anna, "admin"))]
    told = at_once([partial(outcome, call) for call in calls])
    assert set(told) <= {"in", LoginRefused.name(), "SecondFactorMissing", "NoSecondFactor", "OtpRefused"}
    assert not SecondFactor.objects.filter(user=boris).exists()


def test_the_last_two_do_not_both_go(anna: User) -> None:
    boris = person("boris")
    enrol(boris)
    calls = [partial(factor.remove, user, shown(user), actor(user)) for user in (anna, boris)]
    assert sorted(at_once([partial(outcome, call) for call in calls])) == ["LastWhoPasses", "in"]


def test_asking_for_one_while_the_last_one_goes(cluster: Cluster) -> None:
    policy(cluster, login_fail_retry_times=0)
    user = person()
    enrol(user)
    switch = partial(policy, cluster, SECTION, enabled=True, authentication_type="totp")
    told = at_once([partial(outcome, switch), partial(outcome, partial(factor.remove, user, shown(user), actor(user)))])
    assert sorted(told) in (["LastWhoPasses", "in"], ["NobodyCouldEnter", "in"])


def test_a_refused_log_in_leaves_its_trace_and_no_half(anna: User) -> None:
    with pytest.raises(LoginRefused), transaction.atomic():
        factor.check(anna, "000000", asked(), SYSTEM)
    assert SecondFactor.objects.get().last_step == 0
