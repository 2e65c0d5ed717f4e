"""`manage.py settings_restore`: bring back what a revision of a cluster's settings left."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.code.options import add_change_options, controls
from settings_app.code.telling import lines
from settings_app.revisions import restore_revision
from settings_app.sections import SECTIONS
from sysmgr.commands import SysmgrCommand, actor, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Bring back the settings as a revision left them, whole or by sections, as one new revision. Secrets stay\n"
        "those of now; where nothing differs nothing is changed.\n\n"
        "Example: manage.py settings_restore 12 --section login_policy --reason 'as before the audit'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("revision", type=int, help="what settings_revisions lists")
        parser.add_argument(
            "--section",
            action="append",
            choices=list(SECTIONS),
            default=[],
            help="only this one; may be given several times",
        )
        add_change_options(parser)
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the revision as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore."""
        how, cluster = controls(options), find(options["cluster"])
        made = restore_revision(cluster, options["revision"], actor(), sections=options["section"], **how)
        diff = made.diff if made else []
        if options["json"]:
            self.say({"revision": made.number if made else None, "changes": diff}, as_json=True)
            return
        for line in lines(diff):
            self.stdout.write(line)
        self.stdout.write(f"revision {made.number}" if made else "nothing differs; nothing was changed")
