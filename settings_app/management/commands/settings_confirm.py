"""`manage.py settings_confirm`: let the change of settings stand that waits for its confirmation."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app import pending
from settings_app.errors import NothingPending
from sysmgr.commands import SysmgrCommand, actor, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Confirm the change of a cluster's settings that would be taken back by itself at its deadline. Where none\n"
        "waits nothing happens; where it was taken back already the command fails.\n\n"
        "Example: manage.py settings_confirm --if-revision 12"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--if-revision", type=int, metavar="N", help="only if the settings are at this revision")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the revision as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Confirm."""
        try:
            number = pending.confirm(find(options["cluster"]), actor(), if_revision=options["if_revision"])
        except NothingPending:
            number = None
        if options["json"]:
            self.say({"revision": number}, as_json=True)
        else:
            self.stdout.write("nothing waits for its confirmation" if number is None else f"revision {number} stands")
