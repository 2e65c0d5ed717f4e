"""`manage.py host_import`: add or change many hosts from a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cluster.imports import COLUMNS, import_hosts, rows_of_text
from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, actor, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Add or change hosts from a CSV file (with a header) or a JSON list; `-` reads standard input. Columns:\n"
        f"{', '.join(COLUMNS)}; several services or labels are separated by `;`.\n"
        "A row for a host that is there changes what it names. Without --partial, a bad row stores nothing at all.\n\n"
        "Example: manage.py host_import hosts.csv --dry-run"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("file", metavar="FILE", help="CSV or JSON; `-` for standard input")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--dry-run", action="store_true", help="store nothing, and say what each row would do")
        parser.add_argument("--partial", action="store_true", help="store the good rows although there are bad ones")
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import; exit non-zero where a row was refused."""
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise CommandError(f"can't read {options['file']}: {reason}") from None
        how = {"dry_run": options["dry_run"], "partial": options["partial"]}
        done = import_hosts(find(options["cluster"]), rows_of_text(text), actor(), **how)
        if options["json"]:
            self.say(done, as_json=True)
        else:
            for row in done["list"]:
                self.stdout.write(f"{row['row']:>5}  {row['host_ip']:<39}  {row['outcome']:<9}  {row['message']}")
            counts = ", ".join(f"{done[key]} {key}" for key in ("created", "updated", "unchanged", "refused"))
            self.stdout.write(f"{counts}; {'stored' if done['stored'] else 'nothing was stored'}")
        if done["refused"]:
            raise CommandError(f"{done['refused']} rows are refused")
