"""`manage.py audit_export`: take the audit along, as CSV or JSON with its digests."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.audit.selectors import Filter, as_csv, as_json
from sysmgr.commands import SysmgrCommand


def as_epoch(text: str) -> int:
    """Parse epoch seconds or an ISO 8601 time; without a zone it is UTC. argparse renders the ValueError."""
    if text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Export the audit, oldest first. An unfiltered JSON export can be verified by itself: audit_verify --file.\n\n"
        "Example: manage.py audit_export --format csv --from 2026-01-01 --output audit.csv"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--format", choices=["csv", "json"], default="json")
        parser.add_argument("--output", type=Path, help="a file that is not there yet (default: standard output)")
        parser.add_argument("--from", dest="begin", type=as_epoch, help="ISO 8601 or epoch seconds")
        parser.add_argument("--to", dest="end", type=as_epoch, help="ISO 8601 or epoch seconds, included")
        for name in ("user-name", "action", "object", "result", "door"):
            parser.add_argument(f"--{name}", default="", help=f"only rows with this {name}")
        parser.add_argument("--json", action="store_true", help="say as JSON how many rows went into --output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export."""
        names = ("begin", "end", "user_name", "action", "object", "result", "door")
        wanted = Filter(**{name: options[name] for name in names})
        parts = (as_csv if options["format"] == "csv" else as_json)(wanted)
        if options["output"] is None:
            for part in parts:
                sys.stdout.write(part)
            return
        try:
            with options["output"].open("x", newline="") as file:
                file.writelines(parts)
        except OSError as error:
            raise CommandError(f"can't write {options['output']}: {error.strerror}") from None
        facts = {"file": str(options["output"]), "rows": wanted.rows().count()}
        self.stdout.write(json.dumps(facts) if options["json"] else f"{facts['rows']} rows in {facts['file']}")
