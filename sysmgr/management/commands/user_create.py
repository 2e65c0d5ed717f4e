"""`manage.py user_create`: a new user with any role; by default he sets his password through a one-time link."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.models import Role
from sysmgr.accounts.user_selectors import told
from sysmgr.accounts.users import LINK, MADE_UP, NewPassword, create_user
from sysmgr.commands import SysmgrCommand, actor, ask_password


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Make a user. Without an option for the password there is a one-time link to set one: mailed where the policy\n"
        "says so and mail is on, else printed here once. A made-up password lies in a file that only you can read,\n"
        "until it is changed. A password is never an argument: others could see that.\n\n"
        "Example: manage.py user_create anna --role operator --email anna@example.com"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="the name to log in with")
        parser.add_argument("--role", choices=Role.values, default=str(Role.AUDITOR), help="what the user may do")
        parser.add_argument("--email", default="", help="where the system mails to")
        parser.add_argument("--disabled", action="store_true", help="make it, but let nobody in yet")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--password-file", metavar="FILE", help="read the password from FILE (`-`: standard input)")
        how.add_argument("--generate", action="store_true", help="make a password up and write it to a file")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create."""
        password = MADE_UP if options["generate"] else LINK
        if options["password_file"] is not None:
            password = NewPassword(ask_password(options["password_file"]))
        account = create_user(
            options["user_name"],
            options["role"],
            actor(),
            email=options["email"],
            enabled=not options["disabled"],
            password=password,
        )
        self.say(told(account), as_json=options["json"])
