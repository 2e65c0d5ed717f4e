"""`manage.py reset_second_factor`: the way back in for whoever lost the authenticator and the recovery codes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.factor import reset
from sysmgr.accounts.users import find_user
from sysmgr.commands import SysmgrCommand, actor


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Remove a user's second factor, confirmed or not, with its recovery codes. While the settings ask for one,\n"
        "the user needs a one-time link then to enrol another. Repeating it changes nothing.\n\n"
        "Example: manage.py reset_second_factor anna"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="whose second factor is removed")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove it."""
        user = find_user(user_name=options["user_name"])
        self.say({"user_name": user.user_name, "removed": reset(user, actor())}, as_json=options["json"])
