"""What tests of the second factor share: an authenticator that shows the code of any moment, and calls of the API."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from cluster.models import Cluster
from settings_app.policy import Policy, current_policy
from sysmgr.accounts import factor, factor_codes, tokens
from sysmgr.accounts.models import SecondFactor, User
from sysmgr.audit.services import Actor
from tests.contract.described import DescribedClient

from .calls import policy

SECTION = "multi_authentication_setting"
OWN = {
    "enroll": "v1/authentication/otp/enroll",
    "confirm": "v1/authentication/otp/confirm",
    "remove": "v1/authentication/otp/remove",
}


def actor(user: User, door: str = "api") -> Actor:
    """Return the user as one who acts."""
    return Actor(user.user_name, door, "192.0.2.7", user_uuid=user.pk)


def shown(user: User, steps: int = 0, now: datetime | None = None) -> str:
    """Return what the user's authenticator shows, so many steps from now."""
    secret = SecondFactor.objects.get(user=user).secret.reveal()
    return factor_codes.code_at(secret, (now or timezone.now()) + timedelta(seconds=30 * steps))


def enrol(user: User) -> list[str]:
    """Give the user a confirmed second factor and return the recovery codes; its code of now is good still."""
    now = timezone.now()
    factor.enroll(user, actor(user), now)
    made = factor.confirm(user, shown(user, -1, now), actor(user), now)
    SecondFactor.objects.filter(user=user).update(last_step=0)
    return made


def ask(cluster: Cluster) -> None:
    """Have a second factor asked for; wrong codes lock nobody."""
    policy(cluster, login_fail_retry_times=0)
    policy(cluster, SECTION, enabled=True, authentication_type="totp")


def asked() -> Policy:
    """Return the policy of now, which asks for a second factor."""
    policy = current_policy()
    assert policy.factor.enabled
    return policy


class Caller:
    """A user with a token who makes calls of the API."""

    def __init__(self, user: User) -> None:
        clear, _row = tokens.issue(user, "192.0.2.7", 3600)
        self.client = DescribedClient(headers={"Authorization": f"Bearer {clear}"}, REMOTE_ADDR="192.0.2.7")

    def post(self, path: str, body: Any) -> Any:
        """Post to a path below /v1/."""
        return self.client.post(f"/v1/{path}", json.dumps(body), content_type="application/json")

    def otp(self, verb: str, **body: str) -> Any:
        """Call `otp/<verb>`."""
        return self.post(OWN[verb].removeprefix("v1/"), body)
