"""`manage.py backups`: the backups on the hosts of a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from cluster.models import ServiceType
from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, as_uuid
from upgrades.selectors import backups_of


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "List the complete backups on the hosts of a cluster, oldest first on each host. A backup holds the release's\n"
        "files of one service, never the data of the service.\n\n"
        "Example: manage.py backups --host 10.30.12.55 --service storage --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--host", metavar="HOST_IP", default="", help="only this host's")
        parser.add_argument("--service", choices=ServiceType.values, default="", help="only this service's")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print them as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """List."""
        found = backups_of(find(options["cluster"]).pk, host_ip=options["host"], service_type=options["service"])
        if options["json"]:
            self.say({"list": found}, as_json=True)
            return
        for row in found:
            complete = datetime.fromtimestamp(row["update_time"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
            what = f"{row['host_ip']}  {row['service_type']:<7}  {row['package_name']}"
            self.stdout.write(f"{what}  {complete}  {row['size']} bytes")
        if not found:
            self.stdout.write("there are no backups")
