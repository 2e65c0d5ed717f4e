"""`manage.py drill`: break upgrades of throw-away hosts on purpose, and show what was promised and what happened."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from sysmgr import env
from sysmgr.commands import SysmgrCommand

_SECONDS = 900
_INSIDE = "SYSMGR_DRILL"


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Upgrade throw-away hosts and break it on purpose: manager killed, connection lost, disk full, package\n"
        "spoilt, health check failed, late leader. All happens in a folder and a database of its own, which are\n"
        "removed at the end; nothing of this installation is read or changed. Exit code 1: a promise was broken.\n\n"
        "Example: manage.py drill"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the facts as JSON")
        parser.add_argument("--drive", nargs=2, metavar=("RUN", "TERM"), help="used by the drill itself")

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin a process with an installation of its own; inside it, run the scenarios."""
        if os.environ.get(_INSIDE) != str(env.DATA_DIR):
            if options["drive"]:
                raise CommandError("--drive: only the drill uses it")
            self._begin(options["json"])
        elif options["drive"]:
            self._drive(*options["drive"])
        else:
            self._scenarios(options["json"])

    def _begin(self, as_json: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="sysmgr-drill-") as name:
            folder = Path(name).resolve()
            data = folder / "data"
            mine = {k: v for k, v in os.environ.items() if not k.startswith("SYSMGR_")}
            own = {
                "SYSMGR_DATA_DIR": str(data),
                "DATABASE_URL": f"sqlite:///{folder}/drill.sqlite3",
                _INSIDE: str(data),
            }
            words = [sys.executable, str(env.BASE_DIR / "manage.py"), "drill", *(["--json"] if as_json else [])]
            done = subprocess.run(
                words,
                env={**mine, **own, "SYSMGR_DEMO": "false"},
                timeout=_SECONDS,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        if done.returncode:
            raise CommandError("a promise was not kept", returncode=1)

    def _drive(self, run: str, term: str) -> None:
        from upgrades.engine.run import Drive

        asyncio.run(Drive(UUID(run), int(term)).go())

    def _scenarios(self, as_json: bool) -> None:
        from upgrades.drill.scenarios import SCENARIOS
        from upgrades.drill.stage import Stage

        env.DATA_DIR.mkdir(exist_ok=True)
        call_command("migrate", verbosity=0)
        stage, found = Stage(), []
        for scenario in SCENARIOS:
            told = scenario(stage)
            found.append(told)
            if not as_json:
                self.stdout.write(f"{'kept  ' if told.kept else 'BROKEN'}  {told.name}")
                self.stdout.write(f"        promised: {told.promised}")
                self.stdout.write(f"        happened: {told.happened}")
                self.stdout.flush()
        kept = sum(told.kept for told in found)
        if as_json:
            facts = {"kept": kept, "of": len(found), "scenarios": [asdict(told) for told in found]}
            self.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2))
        else:
            self.stdout.write(f"{kept} of {len(found)} promises kept")
        if kept < len(found):
            sys.exit(1)
