"""`manage.py settings_plan`: what applying a file of settings would change, do and be refused for."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.code.reading import changes_of, read_document
from settings_app.code.references import refuse_missing, resolve
from settings_app.code.telling import lines
from settings_app.preview import preview
from sysmgr.commands import SysmgrCommand, actor, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Show what settings_apply would change, path by path, and what that does; nothing is stored.\n\n"
        "Example: manage.py settings_plan settings.yaml --exit-code"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("file", help="what settings_export writes, or a part of it; - is standard input")
        parser.add_argument("--if-revision", type=int, metavar="N", help="only if the settings are at this revision")
        parser.add_argument(
            "--exit-code",
            action="store_true",
            help="exit 2 where something would change, 1 where it would be refused, 0 where nothing differs",
        )
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the plan as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan."""
        resolved = resolve(read_document(options["file"]), os.environ)
        refuse_missing(resolved)
        cluster = find(options["cluster"])
        found = preview(cluster, changes_of(resolved), actor(), if_revision=options["if_revision"])
        if options["json"]:
            self.say(found, as_json=True)
        else:
            self._tell(found)
        if options["exit_code"] and found["refusals"]:
            sys.exit(1)
        if options["exit_code"] and found["changes"]:
            sys.exit(2)

    def _tell(self, found: dict[str, Any]) -> None:
        for line in lines(found["changes"]):
            self.stdout.write(line)
        if not found["changes"]:
            self.stdout.write("nothing differs")
        for effect in found["effects"]:
            self.stdout.write(f"effect: {effect['message']}")
        for refusal in found["refusals"]:
            where = f"{refusal['path']}: " if refusal["path"] else ""
            self.stdout.write(f"warning: would be refused: {where}{refusal['message']}")
