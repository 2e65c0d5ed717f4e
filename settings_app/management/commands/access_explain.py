"""`manage.py access_explain`: would access control let an address in, by which rule, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from cluster.selectors import find
from settings_app.access.policy_hooks import LATEST, instant
from settings_app.access.ranges import parse_address
from settings_app.policy import read_policy
from sysmgr.commands import SysmgrCommand, as_uuid


def as_moment(text: str) -> datetime:
    """Parse epoch seconds or an ISO 8601 time; without a zone it is UTC. argparse renders the ValueError."""
    if text.isascii() and text.isdigit():
        seconds = int(text[:20])
    else:
        moment = datetime.fromisoformat(text)
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if not 0 <= seconds <= LATEST:
        raise ValueError(text)
    return instant(seconds)


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Tell whether access control lets an address in, now or at another time, by which rule, and until when.\n\n"
        "Example: manage.py access_explain 192.0.2.7 --time 2026-03-29T02:30+01:00"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("address", help="an IPv4 or IPv6 address")
        parser.add_argument("--time", type=as_moment, help="ISO 8601 (UTC unless it says otherwise) or epoch seconds")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain."""
        if parse_address(options["address"]) is None:
            raise CommandError(f"{options['address']!r} is no IP address")
        cluster = find(options["cluster"])
        decision = read_policy(cluster.pk).rules.decide(options["address"], options["time"] or timezone.now())
        facts = {
            "allowed": decision.allowed,
            "rule": decision.rule,
            "until": int(decision.until.timestamp()) if decision.until else None,
            "enforced": cluster.default,
        }
        if not options["json"]:
            facts["until"] = decision.until.isoformat() if decision.until else "for ever, as far as time goes"
        self.say(facts, as_json=options["json"])
