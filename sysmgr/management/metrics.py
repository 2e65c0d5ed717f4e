"""What `/metrics` shows: gauges counted from the database at each scrape, so every worker tells the same.

Nothing is labelled by host: the number of lines grows with clusters and versions, never with hosts. Queries of a
scrape: clusters, hosts, held hosts, services, runs, items, packages, backups, database time (PostgreSQL), lease,
members, outbox, alerts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Count, Model, Q, QuerySet, Sum
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from cluster.clock import database_now
from cluster.members import alive_after
from cluster.models import Cluster, Host, HostService, LeaderLease, Member
from settings_app.models import OutboxMail
from sysmgr import __version__
from sysmgr.build import commit
from sysmgr.events.models import Alert, Event
from upgrades.models import Backup, HostHold, UpgradeItem, UpgradePackage, UpgradeRun

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
OTHER = "other"
_MOST_VERSIONS = 20  # of one service in one cluster; the rarer ones are counted together


def scrape() -> bytes:
    """Return all metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Database())
    return generate_latest(registry)


class _Database(Collector):
    def describe(self) -> Iterable[Metric]:
        return []  # asked for at registration: no reason to count anything

    def collect(self) -> Iterator[Metric]:
        build = InfoMetricFamily("sysmgr_build", "What was built.")
        build.add_metric([], {"version": __version__, "commit": commit()})
        yield build
        yield from _hosts()
        yield from _upgrades()
        yield from _store()
        yield from _members()
        yield from _messages()


def _gauge(name: str, text: str, labels: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> Metric:
    """Return a gauge; each row is its labels' values and then the number."""
    family = GaugeMetricFamily(f"sysmgr_{name}", text, labels=list(labels))
    for *values, number in rows:
        family.add_metric([str(value) for value in values], number or 0)
    return family


def _counted(rows: QuerySet[Any], *columns: str) -> list[tuple[Any, ...]]:
    return list(rows.order_by().values_list(*columns).annotate(n=Count("pk")))


def _all_states(model: type[Model], states: Iterable[str], column: str = "state") -> list[tuple[Any, ...]]:
    """Return how many rows are in each state, the empty ones too: a line never vanishes."""
    found: dict[str, int] = dict(_counted(model._default_manager.all(), column))
    return [(state, found.get(state, 0)) for state in states]


def _hosts() -> Iterator[Metric]:
    clusters = Cluster.objects.order_by("name").values_list("name", "default", "demo")
    flags = [(name, str(default).lower(), str(demo).lower(), 1) for name, default, demo in clusters]
    yield _gauge("cluster", "Clusters.", ["cluster", "default", "demo"], flags)
    hosts = _counted(Host.objects.all(), "cluster__name", "transport")
    yield _gauge("hosts", "Hosts, by how they are reached.", ["cluster", "transport"], hosts)
    held = _counted(HostHold.objects.all(), "host__cluster__name")
    yield _gauge("hosts_held", "Hosts that a run works on.", ["cluster"], held)
    services = _counted(HostService.objects.all(), "host__cluster__name", "service_type", "version", "unmanaged")
    text = "Hosts by the version of a service; rare versions together as `other`, unmanaged ones as the empty one."
    yield _gauge("host_services", text, ["cluster", "service_type", "version"], _common(services))


def _common(rows: Iterable[tuple[str, str, str, bool, int]]) -> list[tuple[str, str, str, int]]:
    """Keep the most frequent versions of each service; count the rest together."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for cluster, service, version, unmanaged, count in rows:
        found.setdefault((cluster, service), Counter())["" if unmanaged else version] += count
    kept = []
    for (cluster, service), versions in sorted(found.items()):
        kept += [(cluster, service, version, n) for version, n in versions.most_common(_MOST_VERSIONS)]
        rare = versions.total() - sum(n for _, n in versions.most_common(_MOST_VERSIONS))
        kept += [(cluster, service, OTHER, rare)] if rare else []
    return kept


def _upgrades() -> Iterator[Metric]:
    runs = {(kind, state): n for kind, state, n in _counted(UpgradeRun.objects.all(), "kind", "state")}
    rows = [
        (kind, state, runs.get((kind, state), 0))
        for kind in UpgradeRun.Kind.values
        for state in UpgradeRun.State.values
    ]
    yield _gauge("runs", "Runs that are kept, by kind and state.", ["kind", "state"], rows)
    items = _all_states(UpgradeItem, UpgradeItem.State.values)
    yield _gauge("run_items", "Services of hosts in runs that are kept, by state.", ["state"], items)


def _store() -> Iterator[Metric]:
    packages = list(
        UpgradePackage.objects.order_by("cluster__name")
        .values_list("cluster__name")
        .annotate(n=Count("pk"), withdrawn=Count("pk", filter=Q(withdrawn_time__isnull=False)), bytes=Sum("size"))
    )
    counts, withdrawn = [(c, n) for c, n, _, _ in packages], [(c, n) for c, _, n, _ in packages]
    yield _gauge("packages", "Packages in the store.", ["cluster"], counts)
    yield _gauge("packages_withdrawn", "Packages that were withdrawn.", ["cluster"], withdrawn)
    yield _gauge("packages_bytes", "Bytes of the packages.", ["cluster"], [(c, size) for c, _, _, size in packages])
    backups = list(
        Backup.objects.filter(update_time__isnull=False)
        .order_by("host__cluster__name")
        .values_list("host__cluster__name")
        .annotate(n=Count("pk"), bytes=Sum("size"))
    )
    yield _gauge("backups", "Complete backups on hosts.", ["cluster"], [(c, n) for c, n, _ in backups])
    yield _gauge("backups_bytes", "Bytes of the complete backups.", ["cluster"], [(c, size) for c, _, size in backups])


def _members() -> Iterator[Metric]:
    now = database_now()
    lease = LeaderLease.objects.filter(pk=1).values_list("term", "expires_at").first()
    term, expires = lease or (0, None)
    yield _gauge("leader", "1 while a manager leads.", [], [(int(expires is not None and expires > now),)])
    yield _gauge("leader_term", "The number of the newest lead.", [], [(term,)])
    alive = Member.objects.filter(heartbeat__gt=now - alive_after()).count()
    yield _gauge("members_alive", "Managers that live.", [], [(alive,)])


def _messages() -> Iterator[Metric]:
    mails = _all_states(OutboxMail, OutboxMail.State.values)
    yield _gauge("outbox_mails", "Mails in the outbox, by state.", ["state"], mails)
    found = dict(_counted(Alert.objects.filter(close_time=None), "severity"))
    alerts = [(severity, found.get(severity, 0)) for severity in Event.Severity.values]
    yield _gauge("alerts_open", "Open alerts.", ["severity"], alerts)
