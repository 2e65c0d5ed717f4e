"""`manage.py reset_password`: the way back in for whoever forgot the password, or never got the link."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.user_selectors import told
from sysmgr.accounts.users import LINK, MADE_UP, NewPassword, find_user, update_user
from sysmgr.commands import SysmgrCommand, actor, ask_password


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Set a user's password, which ends his log-ins and which he must change at the next one. It is made up and\n"
        "kept in a file that only you can read, until it is changed; or read from a file; or the user sets it through\n"
        "a one-time link, which is printed here once, or mailed where the policy says so and mail is on.\n\n"
        "Example: manage.py reset_password anna --link"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="whose password is set")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--password-file", metavar="FILE", help="read the password from FILE (`-`: standard input)")
        how.add_argument("--generate", action="store_true", help="make a password up (as without an option)")
        how.add_argument("--link", action="store_true", help="make a one-time link")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reset."""
        user = find_user(user_name=options["user_name"])
        password = LINK if options["link"] else MADE_UP
        if options["password_file"] is not None:
            password = NewPassword(ask_password(options["password_file"]))
        self.say(told(update_user(user.pk, {}, actor(), password=password)), as_json=options["json"])
