"""`manage.py createsuperuser`: Django's command; it makes an administrator as `create_admin` does."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.accounts.models import Role
from sysmgr.accounts.user_selectors import told
from sysmgr.accounts.users import MADE_UP, NewPassword, create_user
from sysmgr.commands import SysmgrCommand, actor, ask_password

_PASSWORD = "DJANGO_SUPERUSER_PASSWORD"


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Make an administrator, as create_admin does, with the options of Django's command. With --noinput the\n"
        f"password comes from {_PASSWORD}; without it, it is made up and kept in a file that only you can read.\n\n"
        "Example: manage.py createsuperuser --user_name anna --email anna@example.com"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--user_name", help="the name to log in with (asked for where it is left out)")
        parser.add_argument("--email", default="", help="where the system mails to")
        parser.add_argument("--noinput", "--no-input", action="store_false", dest="interactive", help="ask nothing")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create."""
        interactive = options["interactive"]
        name = options["user_name"] or os.environ.get("DJANGO_SUPERUSER_USER_NAME", "")
        if not name and interactive and sys.stdin.isatty():
            name = input("User name: ")
        if not name:
            raise CommandError("nobody can be asked here for a name; pass --user_name")
        if interactive:
            password = NewPassword(ask_password(None))
        else:
            given = os.environ.get(_PASSWORD)
            password = NewPassword(given) if given else MADE_UP
        account = create_user(name, Role.ADMINISTRATOR, actor(), email=options["email"], password=password)
        self.say(told(account), as_json=options["json"])
