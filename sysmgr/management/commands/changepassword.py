"""`manage.py changepassword`: Django's command, by the same rules and with the same trace as every other door."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.user_selectors import told
from sysmgr.accounts.users import NewPassword, find_user, update_user
from sysmgr.commands import SysmgrCommand, actor, ask_password


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Set a password as its owner would: asked for twice, or read from a file. His log-ins end; it need not be\n"
        "changed again. To have it made up, or set by its owner, see reset_password.\n\n"
        "Example: manage.py changepassword anna"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("username", nargs="?", help="whose password is set (without it: this account's name)")
        parser.add_argument("--password-file", metavar="FILE", help="read it from FILE (`-`: standard input)")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change."""
        user = find_user(user_name=options["username"] or getpass.getuser())
        password = NewPassword(ask_password(options["password_file"]))
        account = update_user(user.pk, {"must_change_password": False}, actor(), password=password)
        self.say(told(account), as_json=options["json"])
