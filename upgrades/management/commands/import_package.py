"""`manage.py import_package`: take a package that lies on this machine in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, actor, as_uuid
from upgrades.intake import import_file


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Check a package and take it into a cluster's store; the same again changes nothing.\n\n"
        "Example: manage.py import_package out/updatepackage_1.6.tar.gz"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, help="the package")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import."""
        cluster = find(options["cluster"])
        try:
            package = import_file(cluster, options["file"], actor())
        except OSError as error:
            raise CommandError(f"can't read {options['file']}: {error.strerror}") from None
        facts = {
            "package_name": package.package_name,
            "version": package.version,
            "sha256": package.sha256,
            "size": package.size,
            "signed_by": package.signed_by,
        }
        self.say(facts, as_json=options["json"])
