"""`manage.py build_package`: build and sign an upgrade package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sysmgr import env
from sysmgr.commands import SysmgrCommand
from upgrades.intake import DEMO_KEY_FILE
from upgrades.package.build import build_package
from upgrades.package.sign import load_private_key


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Build a signed package from a folder with one folder per service (cloud, compute, storage)\n"
        "and an optional package.toml. Building the same again changes nothing.\n\n"
        "Example: manage.py build_package release/ --release 1.6 --output out/"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("source", type=Path, help="folder with cloud/, compute/, storage/")
        parser.add_argument("--release", required=True, metavar="VERSION", help="the package's version (PEP 440)")
        parser.add_argument("--output", type=Path, default=Path(), help="folder to write to (default: here)")
        parser.add_argument("--key", type=Path, help="private key in PEM (default: the demo's key)")
        parser.add_argument("--notes", default="", help="release notes")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Build."""
        key_file = options["key"] or env.DATA_DIR / "keys" / DEMO_KEY_FILE
        if not key_file.exists():
            raise CommandError(f"there is no signing key at {key_file}; name one with --key")
        if not options["output"].is_dir():
            raise CommandError(f"{options['output']} is no folder")
        key = load_private_key(key_file)
        path = build_package(options["source"], options["release"], options["output"], key, notes=options["notes"])
        self.say({"package": str(path), "size": path.stat().st_size}, as_json=options["json"])
