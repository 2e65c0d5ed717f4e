"""`manage.py create_signing_key`: make a key that packages are signed with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from sysmgr.commands import SysmgrCommand
from upgrades.package.sign import create_key, fingerprint, public_key_text


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Make an Ed25519 key in a new file that only its owner can read; a file that is there is never overwritten.\n"
        "Keep it secret: whoever has it can make packages that your clusters accept. Its public half is printed.\n\n"
        "Example: manage.py create_signing_key signing.pem"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, help="the new file (PEM)")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        key = create_key(options["file"])
        public = public_key_text(key)
        facts = {"file": str(options["file"]), "public_key": public, "fingerprint": fingerprint(key.public_key())}
        if not options["json"]:
            facts["trust it"] = f"manage.py trust_add NAME {shlex.quote(public)}"
        self.say(facts, as_json=options["json"])
