"""`manage.py write_docs`: the documents that are made from the source."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.commands import SysmgrCommand
from sysmgr.management.docs import DOCUMENTS, FOLDER, stale


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Write docs/errors.md, docs/settings.md and docs/openapi.json from the source.\n\n"
        "Example: manage.py write_docs --check"
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write, or compare."""
        names = stale()
        if options["check"]:
            if names:
                raise CommandError(f"out of date: {', '.join(names)}; run manage.py write_docs")
            return
        for name in names:
            (FOLDER / name).write_text(DOCUMENTS[name]())
            self.stdout.write(f"written  docs/{name}")
