"""`manage.py doctor`: what is well and what is not, one line and one hint each."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.commands import SysmgrCommand
from sysmgr.management.health import FAILED, examine


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Look at database, keys, disk, clock, leader and bounds; exits with 1 when something failed.\n\n"
        "Example: manage.py doctor --json"
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine."""
        findings = list(examine())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            for finding in findings:
                self.stdout.write(f"{finding.state:<8} {finding.check}: {finding.text}")
                if finding.hint:
                    self.stdout.write(f"         {finding.hint}")
        failed = [finding.check for finding in findings if finding.state == FAILED]
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")
