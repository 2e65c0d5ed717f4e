"""`manage.py package_init`: a folder to build a package from, with working examples of all of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cluster.models import ServiceType
from sysmgr.commands import SysmgrCommand
from upgrades.skeleton import write_skeleton


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Write a folder that `build_package` takes as it is: a package.toml with each setting explained, and for each\n"
        "service a program and the commands stop, start, status and health. Replace them with your own.\n\n"
        "Example: manage.py package_init release/ --service storage"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("folder", type=Path, help="the new folder")
        parser.add_argument(
            "--service",
            action="append",
            choices=ServiceType.values,
            help="a service that the package upgrades; may be repeated (default: all three)",
        )
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        folder = options["folder"]
        chosen = options["service"] or ServiceType.values
        services = [str(service) for service in ServiceType.values if service in chosen]
        try:
            files = write_skeleton(folder, services)
        except FileExistsError:
            raise CommandError(f"{folder} exists already; nothing was written") from None
        except OSError as error:
            raise CommandError(f"can't write {folder}: {error.strerror}") from None
        facts: dict[str, Any] = {
            "folder": str(folder),
            "services": services if options["json"] else ", ".join(services),
        }
        facts["files"] = [str(path.relative_to(folder)) for path in files] if options["json"] else len(files)
        if not options["json"]:
            facts["try it"] = f"manage.py package_check {folder}"
        self.say(facts, as_json=options["json"])
