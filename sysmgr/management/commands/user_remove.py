"""`manage.py user_remove`: a user goes with all that he could come in with; the audit keeps his name."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.user_selectors import shown
from sysmgr.accounts.users import find_user, remove_user
from sysmgr.commands import SysmgrCommand, actor


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Remove a user with tokens, keys, links and uploads. The audit keeps the name. The last administrator can't\n"
        "be removed.\n\n"
        "Example: manage.py user_remove anna"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="whom to remove")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove."""
        user = find_user(user_name=options["user_name"])
        facts = shown(user)
        remove_user(user.pk, actor())
        self.say({**facts, "removed": True}, as_json=options["json"])
