"""`manage.py host_take_over`: drive a host that another installation or cluster drove."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, actor, as_uuid
from upgrades.hosts import taking_over

_REASON = 255


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Take a host over from another installation or cluster. Without --from it only says who drives the host now.\n"
        "Stop the other one first, or remove the host there: from then on the host refuses all that it sends.\n\n"
        "Example: manage.py host_take_over 192.0.2.10 --from 8b0f2a51-0c1e-4a3e-9a77-4d8f2f6f0c11 --reason 'moved here'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("host_ip", help="the host's address")
        parser.add_argument(
            "--from", dest="owner", help="UUID of the cluster that gives it up, as this command told it"
        )
        parser.add_argument("--reason", help="why, for the audit (with --from)")
        parser.add_argument("--force", action="store_true", help="although an upgrade of the other one was cut there")
        parser.add_argument("--cluster", type=as_uuid, help="our cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, or take it over."""
        cluster, reason = find(options["cluster"]), (options["reason"] or "").strip()
        if not options["owner"]:
            owner = taking_over.owner_of(cluster, options["host_ip"])
            self.say({"host_ip": options["host_ip"], "owner": owner or str(cluster.pk)}, as_json=options["json"])
            return
        if not 0 < len(reason) <= _REASON:
            raise CommandError(f"--reason: 1 to {_REASON} characters that say why")
        told = taking_over.take_over(
            cluster, options["host_ip"], options["owner"], reason, actor(), force=options["force"]
        )
        self.say(told, as_json=options["json"])
