"""`manage.py settings_show`: the stored settings of a cluster, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.paths import at, flat
from settings_app.selectors import render_settings
from sysmgr.commands import SysmgrCommand, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Show the settings of a cluster, all of them or those below a path; secrets are masked.\n\n"
        "Example: manage.py settings_show login_policy --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("path", nargs="?", default="", help="a section or a key, as in mail_setting.smtp_server_ip")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print them as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show."""
        document = render_settings(find(options["cluster"]).pk)
        path = options["path"]
        found = at(document, path) if path else document
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        lines = flat(found, path) if isinstance(found, Mapping) else {path: found}
        self.say({key: json.dumps(value, ensure_ascii=False) for key, value in lines.items()}, as_json=False)
