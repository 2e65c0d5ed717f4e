"""The rows that both sides read: run in the product's environment, prints the cluster of the package list."""

from __future__ import annotations

import os

HOSTS, PACKAGES = 1000, 5


def main() -> None:
    """Make a cluster of 1,000 hosts with one to three services each, and five packages."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "sysmgr.settings"
    import django

    django.setup()
    from django.utils import timezone

    from cluster.models import SERVICE_ORDER, Cluster, Host, HostService
    from settings_app.services import create_defaults
    from sysmgr.audit.services import SYSTEM
    from upgrades.models import PackagePayload, UpgradePackage

    cluster = Cluster.objects.create(name="measured")
    create_defaults(cluster, SYSTEM)
    made = [Host(cluster=cluster, host_ip=f"10.0.{n // 250}.{n % 250}", root="/srv") for n in range(HOSTS)]
    hosts = Host.objects.bulk_create(made)
    services = sorted(SERVICE_ORDER, key=lambda name: SERVICE_ORDER[name])
    HostService.objects.bulk_create(
        HostService(host=host, service_type=service, version=f"1.{number % 7}")
        for number, host in enumerate(hosts)
        for service in services[: number % 3 + 1]
    )
    for number in range(PACKAGES):
        package = UpgradePackage.objects.create(
            cluster=cluster,
            package_name=f"updatepackage_2.{number}.tar.gz",
            version=f"2.{number}",
            md5="0" * 32,
            sha256=str(number) * 64,
            size=1,
            signed_by="x",
            update_time=timezone.now(),
        )
        PackagePayload.objects.bulk_create(
            PackagePayload(package=package, service_type=service, files=1, size=1) for service in services
        )
    print(cluster.pk)


if __name__ == "__main__":
    main()
