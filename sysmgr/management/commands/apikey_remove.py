"""`manage.py apikey_remove`: end a key for programs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sysmgr.accounts.keys import remove_key
from sysmgr.commands import SysmgrCommand, actor, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Remove a key for programs; who uses it is refused at once. `apikey_list` shows them.\n\n"
        "Example: manage.py apikey_remove 3f2c1d9e-5a77-4c0e-9d53-0c1f2a9b7e11"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("key_uuid", type=as_uuid, help="the key's UUID, not the key")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove."""
        remove_key(options["key_uuid"], None, actor())
        self.say({"removed": str(options["key_uuid"])}, as_json=options["json"])
