"""`manage.py ssh_key`: the key with which this manager logs in to SSH hosts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr.commands import SysmgrCommand
from upgrades.transports import ssh_key
from upgrades.transports.base import SshKeyUnusable
from upgrades.transports.host_keys import BadHostKey, fingerprint_of


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Print the line to put into ~/.ssh/authorized_keys of the SSH user on each host. The private key is the file\n"
        "that SYSMGR_SSH_KEY_FILE names, else one below the data directory, which is made at the first call.\n\n"
        "Example: manage.py ssh_key | ssh root@10.0.0.5 'cat >>.ssh/authorized_keys'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print line, fingerprint and file as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        try:
            line = ssh_key.public_line()
            facts = {"public_key": line, "fingerprint": fingerprint_of(line), "file": str(ssh_key.key_path())}
        except (SshKeyUnusable, BadHostKey) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.say(facts, as_json=True)
        else:
            self.stdout.write(line)
