"""`manage.py settings_apply`: make a cluster's settings what a file says, as one revision."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.code.options import add_change_options, controls
from settings_app.code.reading import changes_of, read_document
from settings_app.code.references import refuse_missing, resolve
from settings_app.code.telling import lines
from settings_app.services import update_settings
from sysmgr.commands import SysmgrCommand, actor, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Change the settings of a cluster to what a file says: all of it or nothing, as one revision. What the file\n"
        "does not name stays; the same file again changes nothing.\n\n"
        "Example: manage.py settings_apply settings.yaml --confirm-within 300 --reason 'issue 12'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("file", help="what settings_export writes, or a part of it; - is standard input")
        add_change_options(parser)
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the revision as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply."""
        resolved = resolve(read_document(options["file"]), os.environ)
        refuse_missing(resolved)
        changes, how = changes_of(resolved), controls(options)
        revision = update_settings(find(options["cluster"]), changes, actor(), **how)
        diff = revision.diff if revision else []
        if options["json"]:
            self.say({"revision": revision.number if revision else None, "changes": diff}, as_json=True)
            return
        for line in lines(diff):
            self.stdout.write(line)
        self.stdout.write(f"revision {revision.number}" if revision else "nothing differs; nothing was changed")
        if revision and "confirm_within_seconds" in how:
            self.stdout.write(f"taken back in {how['confirm_within_seconds']} s unless settings_confirm comes before")
