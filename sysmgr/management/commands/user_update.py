"""`manage.py user_update`: role, address, whether a user may come in or must change his password."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.models import Role
from sysmgr.accounts.user_selectors import told
from sysmgr.accounts.users import find_user, update_user
from sysmgr.commands import SysmgrCommand, actor


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Change a user; what is not named stays. Who is switched off loses his log-ins at once. The last\n"
        "administrator can be neither switched off nor given another role. For passwords see reset_password.\n\n"
        "Example: manage.py user_update anna --role auditor --disable"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("user_name", help="whom to change")
        parser.add_argument("--role", choices=Role.values, help="what the user may do")
        parser.add_argument("--email", help="where the system mails to (empty: nowhere)")
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument("--enable", action="store_const", const=True, dest="is_active", help="let the user in")
        switch.add_argument("--disable", action="store_const", const=False, dest="is_active", help="keep the user out")
        parser.add_argument(
            "--must-change-password",
            action="store_const",
            const=True,
            dest="must_change_password",
            help="have the password changed before anything else",
        )
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Update."""
        keys = ("role", "email", "is_active", "must_change_password")
        values = {key: options[key] for key in keys if options[key] is not None}
        account = update_user(find_user(user_name=options["user_name"]).pk, values, actor())
        self.say(told(account), as_json=options["json"])
