"""`manage.py settings_export`: a cluster's settings as a file that can be kept, compared and applied again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cluster.selectors import find
from settings_app.code.writing import as_json, as_yaml, exported
from sysmgr.commands import SysmgrCommand, as_uuid
from sysmgr.files import write_whole


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Write the settings of a cluster as YAML or JSON: the same settings are the same bytes, and each stored\n"
        "secret is a reference to the environment.\n\n"
        "Example: manage.py settings_export --output settings.yaml"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--format", choices=("yaml", "json"), default="yaml", help="yaml (the default) or json")
        parser.add_argument(
            "--json", action="store_const", const="json", dest="format", help="the same as --format json"
        )
        parser.add_argument(
            "--output", metavar="FILE", help="write it there, whole or not at all, instead of showing it"
        )
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export."""
        document = exported(find(options["cluster"]).pk)
        text = as_json(document) if options["format"] == "json" else as_yaml(document)
        if options["output"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            write_whole(Path(options["output"]), text.encode())
        except OSError as error:
            raise CommandError(f"can't write {options['output']}: {error.strerror}") from None
