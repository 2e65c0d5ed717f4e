"""`manage.py settings_pending`: the change of settings that waits for its confirmation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.pending import pending_facts
from sysmgr.commands import SysmgrCommand, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Show the change of a cluster's settings that is taken back at its deadline unless settings_confirm comes\n"
        "before.\n\n"
        "Example: manage.py settings_pending --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print it as JSON: {pending}, null for none")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show."""
        found = pending_facts(find(options["cluster"]).pk)
        if options["json"]:
            self.say({"pending": found}, as_json=True)
        elif found is None:
            self.stdout.write("nothing waits for its confirmation")
        else:
            deadline = datetime.fromtimestamp(found["deadline"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.stdout.write(f"revision {found['revision']} is taken back at {deadline}")
