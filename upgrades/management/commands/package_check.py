"""`manage.py package_check`: run every step of an upgrade with a package, on a throw-away host."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.management.base import CommandError, CommandParser

from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, as_uuid
from upgrades.intake import trusted_keys
from upgrades.package.build import build_package
from upgrades.package.sign import fingerprint, load_public_key
from upgrades.package.unpack import unpack_package
from upgrades.trial import Outcome, try_package


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Try a package, or the folder that one is built from, before any host sees it: on a throw-away host in a\n"
        "temporary folder each of its services is upgraded from a release before (its own files), once to the\n"
        "commit and once back. All steps of the host-side script and all of the package's commands are run, here,\n"
        "as you. Nothing is stored; what was made is removed. Exits with 1 when a step fails.\n\n"
        "Example: manage.py package_check release/"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("path", type=Path, help="a package, or a source folder")
        parser.add_argument("--release", default="1.0", metavar="VERSION", help="version to build a folder as (1.0)")
        parser.add_argument("--public-key", help="the key that signed a package (default: those that are trusted)")
        parser.add_argument("--cluster", type=as_uuid, help="whose trusted keys (default: the default cluster's)")
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Try it."""
        outcomes: list[Outcome] = []

        def told(outcome: Outcome) -> None:
            outcomes.append(outcome)
            if not options["json"]:
                answer = "ok" if outcome.ok else f"FAILED: {outcome.message}"
                place = f"{outcome.service:<8} {outcome.scenario:<9} {outcome.step:<9}"
                self.stdout.write(f"{place} {outcome.seconds:>6.2f} s  {answer}")

        if not options["path"].exists():
            raise CommandError(f"there is nothing at {options['path']}")
        folder = Path(tempfile.mkdtemp(prefix="sysmgr-package-check-"))
        try:
            package, keys = self._package(folder, options)
            manifest = unpack_package(package, folder / "unpacked", keys).manifest
            well = try_package(manifest, folder / "unpacked", folder / "hosts", told)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if options["json"]:
            steps = [asdict(outcome) for outcome in outcomes]
            self.say(
                {"package_name": package.name, "version": manifest.version, "ok": well, "steps": steps}, as_json=True
            )
        if not well:
            bad = next(outcome for outcome in outcomes if not outcome.ok)
            raise CommandError(f"{bad.service}: {bad.step} failed on the way {_way(bad)}: {bad.message}")
        if not options["json"]:
            self.stdout.write(f"{package.name}: {len(outcomes)} steps, all well")

    def _package(self, folder: Path, options: dict[str, Any]) -> tuple[Path, dict[str, Ed25519PublicKey]]:
        """Return a package and the keys to trust; a folder is built with a key of the moment."""
        path = options["path"]
        if path.is_dir():
            key = Ed25519PrivateKey.generate()
            (folder / "built").mkdir()
            public = key.public_key()
            return build_package(path, options["release"], folder / "built", key), {fingerprint(public): public}
        if options["public_key"]:
            public = load_public_key(options["public_key"])
            return path, {fingerprint(public): public}
        trusted = trusted_keys(find(options["cluster"]))
        return path, {key.fingerprint: load_public_key(key.public_key) for key in trusted}


def _way(outcome: Outcome) -> str:
    return "forward" if outcome.scenario == "upgrade" else "back"
