"""`manage.py upgrade`: start an upgrade and watch it, or watch one that is there."""

from __future__ import annotations

import json
import sys
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from cluster.models import Cluster, ServiceType
from cluster.selectors import find
from sysmgr.commands import SysmgrCommand, actor, as_uuid
from upgrades import following, plans, run_selectors
from upgrades.models import UpgradeRun
from upgrades.services import request_upgrade
from upgrades.watching import Watcher

_PAUSED, _STOPPED = 3, 130
_NEWEST = "newest"
_NOT = object()


def run_uuid(text: str) -> UUID | None:
    """Parse which run is meant; None is the newest one."""
    return None if text == _NEWEST else as_uuid(text)


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Upgrade services of a host, after showing the plan, and watch it until it rests: to its end, or until it\n"
        "is paused. With --watch, watch a run that somebody has started; the newest one if none is named.\n"
        "Exits with 0 when it succeeded, 1 when it failed or was cancelled, 3 when it is paused, 130 when Ctrl-C\n"
        "ended the watching, which never ends the upgrade.\n\n"
        "Example: manage.py upgrade 10.30.12.55 storage compute --to 1.5 --yes\n"
        "Example: manage.py upgrade --watch"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("host_ip", nargs="?", help="the host's address")
        parser.add_argument("service", nargs="*", metavar="service", help="cloud, compute or storage")
        parser.add_argument(
            "--watch",
            nargs="?",
            default=_NOT,
            const=_NEWEST,
            type=run_uuid,
            metavar="RUN",
            help="watch this run, or the newest one",
        )
        parser.add_argument("--to", metavar="VERSION", help="version (default: the newest that fits)")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--reason", default="", help="kept with the run")
        parser.add_argument("--plan", action="store_true", help="show the plan and start nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--detach", action="store_true", help="start it and do not watch")
        parser.add_argument(
            "--json",
            action="store_true",
            help="print the run (or the plan) as JSON at the end; with --watch, each event before it as a line of JSON",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Start and watch."""
        cluster = find(options["cluster"])
        watch = options["watch"] != _NOT
        if watch:
            if options["host_ip"]:
                raise CommandError("--watch starts nothing: name a run or nothing, but no host")
            run = following.newest(cluster, options["watch"])
        else:
            started = self._start(cluster, options)
            if started is None:
                return
            run = started
        if not options["detach"]:
            self._watch(run, as_lines=options["json"] and watch, quiet=options["json"] and not watch)
        facts = run_selectors.inspect(cluster.pk, run.pk)
        if options["json"]:
            self._say(facts, one_line=watch)
        else:
            self._tell(facts)
        if not options["detach"]:
            self._exit(run, facts)

    def _start(self, cluster: Cluster, options: dict[str, Any]) -> UpgradeRun | None:
        """Ask for the run, after its plan; None where only the plan was wanted."""
        unknown = [name for name in options["service"] if name not in ServiceType.values]
        if not options["host_ip"] or not options["service"] or unknown:
            raise CommandError(f"name a host and its services, of {', '.join(ServiceType.values)}; or use --watch")
        version = {"version": options["to"]} if options["to"] else {}
        wanted = [{"host_ip": options["host_ip"], "service_type": name, **version} for name in options["service"]]
        asked: dict[str, Any] = {"reason": options["reason"]}
        if options["plan"] or not options["yes"]:
            plan = plans.plan(cluster, wanted, asked)
            if options["plan"]:
                self._show(plan, as_json=options["json"])
                return None
            self._show(plan, as_json=False)
            self._confirm()
            asked["plan_fingerprint"] = plan["fingerprint"]  # what was agreed to is what is done
        return request_upgrade(cluster, wanted, asked, actor())

    def _watch(self, run: UpgradeRun, *, as_lines: bool, quiet: bool) -> None:
        try:
            Watcher(run, self.stdout, as_json=as_lines, quiet=quiet).go()
        except KeyboardInterrupt:
            told = f"stopped watching; the upgrade {run.pk} goes on (manage.py upgrade --watch {run.pk})"
            raise CommandError(told, returncode=_STOPPED) from None

    def _exit(self, run: UpgradeRun, facts: dict[str, Any]) -> None:
        if run.state == UpgradeRun.State.SUCCEEDED:
            return
        said = run.message or facts["next_step"]
        told = f"the upgrade {run.pk} {'is ' if run.rests and not run.ended else ''}{run.state}: {said}"
        raise CommandError(told, returncode=_PAUSED if run.state == UpgradeRun.State.PAUSED else 1)

    def _say(self, facts: dict[str, Any], *, one_line: bool) -> None:
        if one_line:
            self.stdout.write(json.dumps({"run": facts}, ensure_ascii=False))
        else:
            self.say(facts, as_json=True)

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

    def _tell(self, facts: dict[str, Any]) -> None:
        for item in facts["results"]:
            line = f"{item['host_ip']} {item['service_type']} {item['from_version']} -> {item['to_version']}"
            self.stdout.write(f"{line}: {item['state']}" + (f"\n  {item['message']}" if item["message"] else ""))
        self.stdout.write(f"upgrade {facts['upgrade_uuid']}: {facts['state']}")
