"""The closed list of reasons: nothing that can be said is missing, in the list or in the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sysmgr.errors import SysmgrError
from upgrades import agent
from upgrades.engine.reasons import REASONS, UNEXPECTED, of, told_of
from upgrades.errors import HostUnreachable, PackageUnusable, PrecheckFailed, StepFailed, Unproven
from upgrades.limits import WAIVABLE
from upgrades.models import UpgradeItem
from upgrades.transports import base

DOCS = Path(__file__).parents[3] / "docs" / "upgrades.md"


def failed(reason: str, **more: Any) -> StepFailed:
    return StepFailed(step="stage", host="h", reason=reason, code=14, **more)


def kinds(cls: type[base.Unreachable]) -> set[type[base.Unreachable]]:
    return {cls, *(deeper for child in cls.__subclasses__() for deeper in kinds(child))}


def test_each_reason_of_the_script_and_of_a_transport_is_in_the_list() -> None:
    said = set(re.findall(r"\bfail \d+ ([a-z_]+)", agent.script().decode()))
    assert {"no_space", "hook_failed", "reboot_required"} <= said <= set(REASONS)
    assert {cls.key for cls in kinds(base.Unreachable)} <= set(REASONS)


def test_the_docs_say_of_each_reason_what_to_do() -> None:
    lines = DOCS.read_text().splitlines()
    missing = [
        reason.key
        for reason in REASONS.values()
        if reason is not UNEXPECTED
        and f"| `{reason.key}` | {'yes' if reason.definite else 'no'} | {reason.todo} |" not in lines
    ]
    assert not missing


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (failed("no_space cannot write packages"), "no_space"),
        (failed("hook_failed health exit 3"), "hook_failed"),
        (failed("the backup is there no more", key="backup_gone"), "backup_gone"),
        (failed("hook_failed drain", key="drain_failed"), "drain_failed"),
        (failed("exit 127"), "unexpected"),
        (HostUnreachable(host="h", reason="no_space is no word of a host"), "unreachable"),
        (HostUnreachable(host="h", reason="x", key="host_key_changed"), "host_key_changed"),
        (PrecheckFailed(check="disk_space", host="h", reason="1 KiB are free"), "no_space"),
        (PrecheckFailed(check="fence", host="h", reason="foreign_cluster 1"), "foreign_cluster"),
        (PackageUnusable(name="p", reason="its digest differs"), "package_unusable"),
        (Unproven(host="h", service="s", reason="io_error cannot write"), "unproven"),
        (SysmgrError(), "unexpected"),
    ],
)
def test_an_error_means_one_reason(error: SysmgrError, key: str) -> None:
    assert of(error).key == key
    told = told_of(error)
    assert (told["reason"], told["definite"], told["scode"]) == (key, REASONS[key].definite, error.scode)
    if key != "unexpected":
        assert told["message"].endswith(REASONS[key].todo) and told["message_cn"].endswith(REASONS[key].todo_cn)
    else:
        assert told["message"] == error.text


def test_what_a_check_can_be_waived_for_is_never_definite() -> None:
    waivable = {of(PrecheckFailed(check=check, host="h", reason="x")) for check in WAIVABLE}
    assert UNEXPECTED not in waivable and not any(reason.definite for reason in waivable)


def test_each_reason_fits_its_column_and_is_told_in_both_languages() -> None:
    most = UpgradeItem._meta.get_field("reason").max_length
    for reason in REASONS.values():
        assert len(reason.key) <= (most or 0)
        assert reason is UNEXPECTED or (reason.todo.endswith(".") and reason.todo_cn.endswith("。"))
