"""`manage.py upgrade`: start an upgrade and watch it."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.models import ServiceType
from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, actor, as_uuid
from upgrades import plans, run_selectors
from upgrades.models import UpgradeItem, UpgradeRun
from upgrades.services import request_upgrade

_POLL_SECONDS = 0.3
# How far an item is in each state, in steps of the whole.
_PLACES = {
    "pending": 0,
    "pushing": 1,
    "backing_up": 2,
    "staging": 3,
    "activating": 4,
    "verifying": 5,
    "rolling_back": 5,
    "committed": 6,
    "failed": 6,
    "rolled_back": 6,
    "skipped": 6,
    "inconsistent": 6,
}


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Upgrade services of a host, after showing the plan, and watch it until it rests: to its end, or until it\n"
        "is paused. Exits with 1 when the upgrade did not succeed. Ctrl-C stops the watching, not the upgrade.\n\n"
        "Example: manage.py upgrade 10.30.12.55 storage compute --to 1.5 --yes"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("host_ip", help="the host's address")
        parser.add_argument("service", nargs="+", choices=ServiceType.values, help="cloud, compute or storage")
        parser.add_argument("--to", metavar="VERSION", help="version (default: the newest that fits)")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--reason", default="", help="kept with the run")
        parser.add_argument("--plan", action="store_true", help="show the plan and start nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--detach", action="store_true", help="start it and do not watch")
        parser.add_argument("--json", action="store_true", help="print the run (or the plan) as JSON at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start and watch."""
        cluster = find(options["cluster"])
        version = {"version": options["to"]} if options["to"] else {}
        wanted = [{"host_ip": options["host_ip"], "service_type": name, **version} for name in options["service"]]
        asked: dict[str, Any] = {"reason": options["reason"]}
        if options["plan"] or not options["yes"]:
            plan = plans.plan(cluster, wanted, asked)
            if options["plan"]:
                self._show(plan, as_json=options["json"])
                return
            self._show(plan, as_json=False)
            self._confirm()
            asked["plan_fingerprint"] = plan["fingerprint"]  # what was agreed to is what is done
        run = request_upgrade(cluster, wanted, asked, actor())
        if not options["detach"]:
            try:
                self._watch(run)
            except KeyboardInterrupt:
                raise CommandError(f"stopped watching; the upgrade {run.pk} goes on (API: upgrade/inspect)") from None
        facts = run_selectors.inspect(cluster.pk, run.pk)
        if options["json"]:
            self.say(facts, as_json=True)
        else:
            self._tell(facts)
        if not options["detach"] and run.state != UpgradeRun.State.SUCCEEDED:
            said = run.message or facts["next_step"]
            raise CommandError(
                f"the upgrade {run.pk} {'is ' if run.rests and not run.ended else ''}{run.state}: {said}"
            )

    def _show(self, plan: dict[str, Any], *, as_json: bool) -> None:
        """Print what would be done, in its order."""
        if as_json:
            self.say(plan, as_json=True)
            return
        for item in plan["order"]:
            versions = f"{item['from_version']} -> {item['to_version']}"
            self.stdout.write(f"{item['host_ip']} {item['service_type']}: {versions} ({item['package_name']})")
        lasts = "unknown before the first upgrade" if plan["seconds"] is None else f"about {plan['seconds']} s"
        self.stdout.write(f"{plan['bytes']} bytes to push; {lasts}")

    def _confirm(self) -> None:
        """Ask, where somebody can be asked."""
        if not sys.stdin.isatty():
            raise CommandError("nothing was started: nobody can be asked here; pass --yes")
        if input("Upgrade? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was started")

    def _watch(self, run: UpgradeRun) -> None:
        """Draw a bar for the run and one per item until the run rests."""
        console = Console(file=sys.stdout)
        columns = (TextColumn("{task.description:<28}"), BarColumn(), TextColumn("{task.fields[state]}"))
        progress = Progress(*columns, TimeElapsedColumn(), console=console)
        items = list(UpgradeItem.objects.filter(run=run).order_by("ordinal"))
        whole = progress.add_task("upgrade", total=6 * len(items), state=run.state)
        bars = {
            item.pk: progress.add_task(f"  {item.host_ip} {item.service_type}", total=6, state=item.state)
            for item in items
        }
        with Live(progress, console=console, refresh_per_second=4, transient=not console.is_terminal):
            while True:
                run.refresh_from_db()
                states = dict(UpgradeItem.objects.filter(run=run).values_list("pk", "state"))
                for pk, bar in bars.items():
                    progress.update(bar, completed=_PLACES[states[pk]], state=states[pk])
                progress.update(whole, completed=sum(_PLACES[state] for state in states.values()), state=run.state)
                if run.rests:
                    return
                time.sleep(_POLL_SECONDS)

    def _tell(self, facts: dict[str, Any]) -> None:
        for item in facts["results"]:
            line = f"{item['host_ip']} {item['service_type']} {item['from_version']} -> {item['to_version']}"
            self.stdout.write(f"{line}: {item['state']}" + (f"\n  {item['message']}" if item["message"] else ""))
        self.stdout.write(f"upgrade {facts['upgrade_uuid']}: {facts['state']}")
