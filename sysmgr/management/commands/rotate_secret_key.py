"""`manage.py rotate_secret_key`: a new key for the secrets in the database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from sysmgr import rotation
from sysmgr.commands import SysmgrCommand, actor


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Seal every stored secret with a new key. First each secret is read; if one can't be, nothing is changed.\n"
        "Then the key file gets the new key beside the old ones, all rows are sealed anew in one transaction, and a\n"
        "second run with --retire takes the old keys away. Safe to repeat, and to be killed at any moment; servers\n"
        "that run need no restart. A database backup made before needs the old keys: keep a copy of the key file.\n\n"
        "Example: manage.py rotate_secret_key && sleep 60 && manage.py rotate_secret_key --retire"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--retire", action="store_true", help="take the old keys away, a minute after the rotation")
        parser.add_argument("--dry-run", action="store_true", help="only read every secret and count")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, or retire."""
        change = rotation.retire if options["retire"] else rotation.rotate
        done = change(actor(), dry_run=options["dry_run"])
        self.say(asdict(done), as_json=options["json"])
        if done.keys > 1 and not options["dry_run"] and not options["json"]:
            self.stdout.write("the old keys still read: take them away with --retire in a minute")
