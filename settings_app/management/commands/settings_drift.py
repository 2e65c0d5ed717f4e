"""`manage.py settings_drift`: whether the stored settings are still what a file says."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.code.comparing import drift, not_compared
from settings_app.code.reading import changes_of, read_document
from settings_app.code.references import resolve
from settings_app.code.telling import lines
from sysmgr.commands import SysmgrCommand, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Compare the stored settings with a file: exit 0 where they agree, 2 where they differ, 1 where the file\n"
        "can't be taken. A line tells what is stored -> what the file says. A secret is compared where its variable\n"
        "is set.\n\n"
        "Example: manage.py settings_drift settings.yaml --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("file", help="what settings_export writes, or a part of it; - is standard input")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the differences as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare."""
        resolved = resolve(read_document(options["file"]), os.environ)
        wanted = changes_of(resolved)
        changes = drift(find(options["cluster"]).pk, wanted)
        left = list(not_compared(wanted, resolved.missing))
        if options["json"]:
            self.say({"drift": bool(changes), "changes": changes, "not_compared": left}, as_json=True)
        else:
            self._tell(changes, left)
        if changes:
            sys.exit(2)

    def _tell(self, changes: list[dict[str, Any]], left: list[dict[str, Any]]) -> None:
        for line in lines(changes):
            self.stdout.write(line)
        for secret in left:
            why = f"{secret['variable']} is not set" if secret["variable"] else "the file masks it"
            self.stdout.write(f"{secret['path']}: not compared, {why}")
        if not changes:
            self.stdout.write("the stored settings agree with the file")
