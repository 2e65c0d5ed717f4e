"""What the API's description says of the audit."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api import schema
from sysmgr.api.schema import Answer, describe, moment, string, whole

from .api import DOORS, LATEST


class Row(Answer):
    """One change, log-in or refusal."""

    seq = whole()
    time = moment()
    user_name = string()
    door = string()
    source = string()  # type: ignore[assignment]
    action = string()
    object = string()
    changes = serializers.ListField(child=serializers.JSONField(), help_text="[{path, from, to}] without secrets.")
    result = string(help_text="`success`, `refused`, `failed`, or how a run ended.")
    request_id = string()
    digest = string()


class Verdict(Answer):
    """Whether the chain is whole; `first_broken` names the first row that is not."""

    intact = serializers.BooleanField()
    rows = whole()
    head = string()
    first_broken = whole(allow_null=True)
    reason = string()
    anchor = whole(allow_null=True, help_text="The last row whose digest was written down outside.")


FILTERS = (
    schema.number("from", "Epoch seconds.", 0, LATEST),
    schema.number("to", "Epoch seconds, included.", 0, LATEST),
    schema.text("user_name", "Exactly this user."),
    schema.text("action", "Exactly this action."),
    schema.text("object", "With this text in its object."),
    schema.text("result", "Exactly this result."),
    schema.text("door", "Only this door.", enum=list(DOORS)),
)
describe("audit/list", answer=Row, many=True, query=[*schema.paging(), *FILTERS], cluster=False)
describe(
    "audit/export",
    file="application/json, text/csv",
    query=[schema.text("format", "`json` (the default) or `csv`.", enum=["csv", "json"]), *FILTERS],
    cluster=False,
)
describe("audit/verify", answer=Verdict, cluster=False)
