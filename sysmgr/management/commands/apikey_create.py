"""`manage.py apikey_create`: a key for a program, printed once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.accounts.keys import Wanted, create_key, facts
from sysmgr.accounts.models import Role, User
from sysmgr.commands import SysmgrCommand, actor


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Make a key for a program that acts for a user. It is printed once and kept nowhere.\n\n"
        "Example: manage.py apikey_create anna --name backup --role auditor --range 10.0.0.0/8"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="whose key it is")
        parser.add_argument("--name", default="", help="what it is for")
        parser.add_argument("--role", choices=Role.values, default="", help="default: the user's own")
        parser.add_argument("--expire-time", type=int, help="epoch seconds (default: until it is removed)")
        parser.add_argument("--range", action="append", default=[], help="from where; may be given again")
        parser.add_argument("--json", action="store_true", help="print the key as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create."""
        user = User.objects.filter(user_name=options["user_name"]).first()
        if user is None:
            raise CommandError(f"there is no user {options['user_name']!r}")
        wanted = Wanted(options["name"], options["role"], options["expire_time"], options["range"])
        clear, key = create_key(user.pk, wanted, actor())
        self.say({"key": clear, **facts(key)}, as_json=options["json"])
