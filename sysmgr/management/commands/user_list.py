"""`manage.py user_list`: who may come in, and what keeps whom out."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from settings_app.policy import current_policy
from sysmgr.accounts.user_selectors import all_users
from sysmgr.commands import SysmgrCommand


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Show all users: one a line, with role, and what is the matter with the account.\n\n"
        "Example: manage.py user_list --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print all facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """List."""
        users = all_users(current_policy(), timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(users, ensure_ascii=False, indent=2))
            return
        for user in users:
            states = [key for key in ("must_change_password", "second_factor", "legacy", "locked") if user[key]]
            states += [] if user["enabled"] else ["disabled"]
            self.stdout.write("  ".join([user["user_name"], user["role"], user["email"] or "-", *states]))
