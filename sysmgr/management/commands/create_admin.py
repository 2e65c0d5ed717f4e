"""`manage.py create_admin`: one more administrator, or the way back in when nobody knows a password."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.accounts.models import Role
from sysmgr.accounts.services import create_user
from sysmgr.commands import SysmgrCommand, actor, read_secret


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
        user, file = create_user(
            options["user_name"],
            Role.ADMINISTRATOR,
            actor(),
            password=None if options["generate"] else self._password(options["password_file"]),
            email=options["email"],
        )
        facts = {"user_name": user.user_name, "user_uuid": str(user.pk), "role": str(user.role), "email": user.email}
        self.say({**facts, "password_file": str(file) if file else None}, as_json=options["json"])

    def _password(self, source: str | None) -> str:
        if source is not None:
            return read_secret(source)
        if not sys.stdin.isatty():
            raise CommandError("nobody can be asked here for a password; pass --password-file or --generate")
        first = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != first:
            raise CommandError("the two passwords differ; nothing was made")
        return first
