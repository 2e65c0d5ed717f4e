"""`manage.py settings_revisions`: who changed a cluster's settings, when and why; one revision with its difference."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.code.telling import lines
from settings_app.revisions import inspect_revision, revision_list
from sysmgr.api.paging import DEFAULT_SIZE, Page
from sysmgr.commands import SysmgrCommand, as_uuid


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "List the revisions of a cluster's settings, newest first, or show what one of them changed.\n\n"
        "Example: manage.py settings_revisions 12 --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("revision", nargs="?", type=int, help="show this one, with what it changed")
        parser.add_argument("--limit", type=_limit, default=DEFAULT_SIZE, help=f"how many (default: {DEFAULT_SIZE})")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print them as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show."""
        cluster, number = find(options["cluster"]), options["revision"]
        if number is None:
            self._list(revision_list(cluster.pk, Page(size=options["limit"])), options["json"])
            return
        found = inspect_revision(cluster.pk, number)
        if options["json"]:
            self.say(found, as_json=True)
            return
        self.stdout.write(_line(found))
        for line in lines(found["diff"]):
            self.stdout.write(line)

    def _list(self, found: dict[str, Any], as_json: bool) -> None:
        if as_json:
            self.say(found, as_json=True)
            return
        for revision in found["list"]:
            self.stdout.write(f"{_line(revision)}  {', '.join(revision['paths'])}".rstrip())


def _limit(text: str) -> int:
    """Return 1..1000; argparse renders the ValueError."""
    if not 1 <= int(text) <= 1000:
        raise ValueError(text)
    return int(text)


def _line(revision: dict[str, Any]) -> str:
    time = datetime.fromtimestamp(revision["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reason = f"  ({revision['reason']})" if revision["reason"] else ""
    return f"{revision['revision']}  {time}  {revision['author']}  {revision['door']}  {revision['kind']}{reason}"
