"""`manage.py audit_verify`: compute every digest of the audit anew, and name the first row that is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.audit import anchors, chain
from sysmgr.commands import SysmgrCommand, actor


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Verify the audit's chain and hold it against the heads that were written down outside (audit-heads.log in\n"
        "the data directory). Exit code 1 when it is broken. After a database was restored from a backup, the rows\n"
        "since then are missing: when you know why, --accept REASON lets the chain count as it is from here on.\n\n"
        "Example: manage.py audit_verify --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--file", type=Path, help="verify this unfiltered JSON export instead of the database")
        how.add_argument("--accept", metavar="REASON", help="accept what is there; the audit says so")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify."""
        if options["accept"]:
            self.say({"accepted": anchors.accept(actor(), options["accept"])}, as_json=options["json"])
            return
        verdict = self._of_file(options["file"]) if options["file"] else chain.verify()
        self.say(verdict.facts(), as_json=options["json"])
        if not verdict.intact:
            raise CommandError(f"the audit is broken at row {verdict.first_broken}: {verdict.reason}")

    def _of_file(self, path: Path) -> chain.Verdict:
        try:
            return chain.verify_file(path)
        except OSError as error:
            raise CommandError(f"can't read {path}: {error.strerror}") from None
        except ValueError as error:
            raise CommandError(f"{path}: {error}") from None
