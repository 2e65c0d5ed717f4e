"""`manage.py trust_add`: accept packages that a key has signed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, actor, as_uuid
from upgrades import selectors, trust

_NAME = 64


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Trust a public key: packages signed with it are accepted from now on. The same again changes nothing.\n"
        "upgrade_package/trust/list (API) shows the keys, upgrade_package/trust/remove takes one back.\n\n"
        "Example: manage.py trust_add vendor 'dGhpcyBpcyBub3QgYSByZWFsIHB1YmxpYyBrZXkhISE='"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("name", help="what the key is called; packages show it as their signer")
        parser.add_argument("public_key", help="base64, as create_signing_key prints it")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        where.add_argument("--all-clusters", action="store_true", help="every cluster, also those to come")
        parser.add_argument("--days", type=int, help="for so many days (default: without an end)")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Trust it."""
        days, name = options["days"], options["name"]
        if not 0 < len(name) <= _NAME or not name.isprintable():
            raise CommandError(f"name: must be 1 to {_NAME} printable characters")
        if days is not None and not 0 < days <= 36500:
            raise CommandError("--days: must be 1 to 36500")
        cluster = None if options["all_clusters"] else find(options["cluster"])
        ends = None if days is None else timezone.now() + timedelta(days=days)
        key = trust.add(cluster, name, options["public_key"], ends, actor())
        self.say(selectors.key(key), as_json=options["json"])
