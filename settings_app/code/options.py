"""The options of the commands that change settings: checked by the input of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from settings_app.serializers import SettingUpdateInput
from sysmgr.api.fields import validated


def add_change_options(parser: CommandParser) -> None:
    """Declare how a change is to be made."""
    parser.add_argument("--if-revision", type=int, metavar="N", help="only if the settings are at this revision")
    parser.add_argument(
        "--confirm-within",
        type=int,
        metavar="SECONDS",
        help="take it back then unless settings_confirm comes before",
    )
    parser.add_argument("--reason", default="", help="kept with the revision")


def controls(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a change is to be made, as the services take it. Raises InvalidInput."""
    body = {"if_revision": options["if_revision"], "confirm_within_seconds": options["confirm_within"]}
    given = {name: value for name, value in body.items() if value is not None}
    return dict(validated(SettingUpdateInput, {**given, "reason": options["reason"]}))
