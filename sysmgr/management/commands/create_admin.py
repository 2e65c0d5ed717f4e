"""`manage.py create_admin`: one more administrator, or the way back in when nobody knows a password."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.models import Role
from sysmgr.accounts.users import MADE_UP, NewPassword, create_user
from sysmgr.commands import SysmgrCommand, actor, ask_password


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Make an administrator. The password is asked for, read from a file or standard input, or made up and kept\n"
        "in a file that only you can read, until it is changed. It is never an argument: others could see that.\n\n"
        "Example: manage.py create_admin anna --email anna@example.com --generate"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="the name to log in with")
        parser.add_argument("--email", default="", help="where the system mails to")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--password-file", metavar="FILE", help="read the password from FILE (`-`: standard input)")
        how.add_argument("--generate", action="store_true", help="make a password up and write it to a file")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create."""
        password = MADE_UP if options["generate"] else NewPassword(ask_password(options["password_file"]))
        account = create_user(
            options["user_name"], Role.ADMINISTRATOR, actor(), email=options["email"], password=password
        )
        user, file = account.user, account.file
        facts = {"user_name": user.user_name, "user_uuid": str(user.pk), "role": str(user.role), "email": user.email}
        self.say({**facts, "password_file": str(file) if file else None}, as_json=options["json"])
