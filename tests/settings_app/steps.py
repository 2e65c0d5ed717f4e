"""What tests of changes of settings share: posting at the API door, checks that refuse, deadlines that pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.test import Client
from django.utils import timezone

from settings_app import hooks
from settings_app.hooks import Effect, PolicyChange, Refusal
from settings_app.models import PendingChange, SettingRevision
from sysmgr.audit.models import AuditRow
from sysmgr.errors import Problem
from sysmgr.events.models import Alert, Event

UPDATE, PREVIEW, CONFIRM = "setting/update", "setting/preview", "setting/confirm"
RESTORE, PENDING = "setting/revision/restore", "setting/pending"
HOP: dict[str, Any] = {"storage_setting": {"hop_hc": 7}}
TRIES: dict[str, Any] = {"login_policy": {"login_fail_retry_times": 9}}
PATH = "login_policy.login_fail_retry_times"


def post(api: Client, path: str, body: Any, **headers: str) -> Any:
    raw = json.dumps(body)
    return api.post(f"/v1/system/{path}", raw, content_type="application/json", headers=headers)


def get(api: Client, path: str) -> Any:
    return api.get(f"/v1/system/{path}").json()["data"]


def stored(api: Client) -> Any:
    return get(api, "setting/inspect")


class Doors:
    """Stands in for whoever enforces the policy: refuses as told, notes what was applied."""

    def __init__(self) -> None:
        self.hard: bool | None = None
        self.asked: list[PolicyChange] = []
        self.applied: list[PolicyChange] = []

    def refuse(self, change: PolicyChange) -> Iterator[Refusal]:
        self.asked.append(change)
        if self.hard is not None:
            yield Refusal(Problem(PATH, "would refuse you", "会拒绝您"), hard=self.hard)

    def tell(self, change: PolicyChange) -> list[Effect]:
        tries = change.after.login.login_fail_retry_times
        return [Effect(f"locks after {tries}", f"{tries} 次后锁定")]


@contextmanager
def doors(hard: bool | None = None) -> Iterator[Doors]:
    """Have only these checks registered: soft or hard refusals of each change, or none."""
    made = Doors()
    made.hard = hard
    with (
        patch.object(hooks, "refusals", [made.refuse]),
        patch.object(hooks, "effects", [made.tell]),
        patch.object(hooks, "applied", [made.applied.append]),
    ):
        yield made


def let_pass(seconds: float = 1) -> None:
    """Let every deadline have passed so long ago."""
    PendingChange.objects.update(deadline=timezone.now() - timedelta(seconds=seconds))


def trace() -> tuple[int, ...]:
    """Count what a change of settings leaves behind."""
    return tuple(model.objects.count() for model in (SettingRevision, AuditRow, Event, Alert, PendingChange))


def leaves_no_trace(call: Callable[[], Any]) -> Any:
    """Return the call's result, after it left no revision, audit row, event, alert nor pending change."""
    before = trace()
    result = call()
    assert trace() == before
    return result
