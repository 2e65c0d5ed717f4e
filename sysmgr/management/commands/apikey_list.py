"""`manage.py apikey_list`: keys for programs, without the keys themselves."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.keys import facts
from sysmgr.accounts.models import ApiKey
from sysmgr.commands import SysmgrCommand


class Command(SysmgrCommand):
    """See `help`."""

    help = "List keys for programs.\n\nExample: manage.py apikey_list --user anna --json"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--user", default="", help="only this user's")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """List."""
        rows = ApiKey.objects.select_related("user").order_by("user__user_name", "create_time")
        if options["user"]:
            rows = rows.filter(user__user_name=options["user"])
        found = [facts(key) for key in rows]
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for key in found:
            self.stdout.write(f"{key['key_uuid']}  {key['user_name']}  {key['role']}  {key['name']}")
