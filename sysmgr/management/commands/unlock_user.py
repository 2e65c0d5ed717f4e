"""`manage.py unlock_user`: open the lock that too many wrong log-ins closed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.services import unlock
from sysmgr.commands import SysmgrCommand, actor


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Open the lock of a user after too many wrong log-ins, from whatever addresses they came. Unknown names lock\n"
        "like known ones, so any name will do. Repeating it changes nothing.\n\n"
        "Example: manage.py unlock_user anna"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="the name that was used to log in")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Unlock."""
        sources = unlock(options["user_name"], actor())
        self.say({"user_name": options["user_name"], "sources": sources}, as_json=options["json"])
