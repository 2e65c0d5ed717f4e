"""What the API's description says of preview, origin, confirmation and revisions."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api import schema
from sysmgr.api.schema import Answer, describe, moment, string, strings, whole

from .errors import (
    ConfirmedTooLate,
    NobodyCouldEnter,
    NothingPending,
    PasswordNeeded,
    RevisionConflict,
    RevisionNotFound,
    SettingPending,
    WouldLockOut,
)
from .models import SettingRevision
from .revision_serializers import RevisionRestoreInput, SettingConfirmInput
from .serializers import SettingUpdateInput

ORIGINS = ("default", "environment", "api", "admin", "command", "system", "restore", "revert")


class Value(serializers.JSONField):
    """Any value of a setting."""


class SettingChange(Answer):
    """A setting that differs; a secret only says so."""

    path = serializers.CharField()
    locals().update({"from": Value()})
    to = Value()


class SettingEffect(Answer):
    """What a change does, in words."""

    message = serializers.CharField()
    message_cn = serializers.CharField()


class SettingRefusal(Answer):
    """Why a change would be a 409; `confirmable`: `confirm_lockout` goes on."""

    path = string()
    message = serializers.CharField()
    message_cn = serializers.CharField()
    confirmable = serializers.BooleanField()


class SettingPreview(Answer):
    """What a change would do."""

    changes = SettingChange(many=True)
    effects = SettingEffect(many=True)
    refusals = SettingRefusal(many=True)


class SettingExplanation(Answer):
    """Where a setting comes from; `applies`: from when on a change of it does."""

    path = serializers.CharField()
    value = Value()
    default = Value()
    origin = serializers.ChoiceField(ORIGINS)
    author = string()
    time = moment()
    revision = whole()
    enforced = serializers.BooleanField()
    applies = serializers.ChoiceField(["now", "next_log_in", "next_mail", "stored"])


class RevisionRow(Answer):
    """A change of settings; `of_revision` is the one that a restore or a revert brought back."""

    revision = whole()
    author = string()
    door = string()
    time = moment()
    reason = string()
    paths = strings()
    kind = serializers.ChoiceField(SettingRevision.Kind.values)
    source = string()  # type: ignore[assignment]  # DRF's own attribute of that name is its fields', not theirs
    of_revision = whole(allow_null=True)


class WholeRevision(RevisionRow):
    """The same with what it changed."""

    diff = SettingChange(many=True)


PENDING = {
    "oneOf": [
        {"type": "null"},
        {
            "type": "object",
            "properties": {
                "revision": {"type": "integer", "minimum": 1},
                "deadline": {"type": "integer", "minimum": 0, "description": "Epoch seconds."},
            },
            "required": ["revision", "deadline"],
            "additionalProperties": False,
        },
    ]
}
PATH = schema.text("path", "A setting, as in login_policy.token_expire_second.", required=True)
NUMBER = {**schema.number("revision", "The revision.", 1, 2147483647), "required": True}
CHANGE_ERRORS = [PasswordNeeded, RevisionConflict, SettingPending, WouldLockOut, NobodyCouldEnter]


def describe_calls(settings: type[Answer], headers: dict[str, str]) -> None:
    """Describe the calls; restore answers as setting/update."""
    describe(
        "setting/preview", request=SettingUpdateInput, answer=SettingPreview, errors=[PasswordNeeded, RevisionConflict]
    )
    describe("setting/explain", answer=SettingExplanation, query=[PATH])
    describe("setting/pending", answer=PENDING)
    describe(
        "setting/confirm", request=SettingConfirmInput, errors=[NothingPending, ConfirmedTooLate, RevisionConflict]
    )
    name = schema.text("filter_name", "Only revisions with this text in their author or reason.")
    describe("setting/revision/list", answer=RevisionRow, many=True, query=[*schema.paging(), name])
    describe("setting/revision/inspect", answer=WholeRevision, query=[NUMBER], errors=[RevisionNotFound])
    describe(
        "setting/revision/restore",
        request=RevisionRestoreInput,
        answer=settings,
        headers=headers,
        errors=[*CHANGE_ERRORS, RevisionNotFound],
    )
