"""`manage.py host_export`: the hosts of a cluster as host_import takes them."""

from __future__ import annotations

import csv
import sys
from typing import Any

from django.core.management.base import CommandParser

from cluster.imports import COLUMNS, exported, for_csv
from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Print the hosts of a cluster by address, as CSV or JSON that host_import takes.\n\n"
        "Example: manage.py host_export --json > hosts.json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print JSON (labels that hold `;` need it)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print."""
        rows = exported(find(options["cluster"]))
        if options["json"]:
            self.say({"list": rows}, as_json=True)
            return
        table = csv.DictWriter(self.stdout or sys.stdout, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(for_csv(row) for row in rows)
