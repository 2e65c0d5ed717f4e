"""What is done to a package of the store: withdrawn, reinstated, removed, verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction
from django.utils import timezone

from cluster.models import Cluster
from cluster.services import locked
from sysmgr.audit.services import Actor, record
from sysmgr.errors import SysmgrError
from sysmgr.events.services import emit

from .digests import digests_of
from .errors import PackageInUse, PackageNotFound
from .intake import store, sweep_file, trusted_keys
from .models import UpgradeItem, UpgradePackage, UpgradeRun
from .package.inspect import inspect_package
from .package.manifest import Manifest
from .package.sign import load_public_key


@dataclass(frozen=True)
class Finding:
    """One check of a stored package and what came of it, in both languages."""

    check: str
    ok: bool
    message: str
    message_cn: str


def _locked(cluster: Cluster, name: str) -> UpgradePackage:
    package = UpgradePackage.objects.select_for_update().filter(cluster=cluster, package_name=name).first()
    if package is None:
        raise PackageNotFound("package_name", name=name[:64])
    return package


@transaction.atomic
def withdraw(cluster: Cluster, name: str, reason: str, actor: Actor) -> None:
    """Let no new run use the package; runs under way and rollbacks still do. The same again changes nothing."""
    package = _locked(cluster, name)
    if package.withdrawn_time is not None and package.withdrawn_reason == reason:
        return
    package.withdrawn_time = package.withdrawn_time or timezone.now()
    before, package.withdrawn_reason = package.withdrawn_reason, reason
    package.save(update_fields=["withdrawn_time", "withdrawn_reason"])
    _tell(cluster, "withdrawn", f"package {name} was withdrawn", f"升级包 {name} 已被撤回")
    record(
        actor, "package.withdraw", f"package {name}", changes=[{"path": "reason", "from": before or None, "to": reason}]
    )


@transaction.atomic
def reinstate(cluster: Cluster, name: str, reason: str, actor: Actor) -> None:
    """Let new runs use the package again. The same again changes nothing."""
    package = _locked(cluster, name)
    if package.withdrawn_time is None:
        return
    package.withdrawn_time, package.withdrawn_reason = None, ""
    package.save(update_fields=["withdrawn_time", "withdrawn_reason"])
    _tell(cluster, "reinstated", f"package {name} was reinstated", f"升级包 {name} 已恢复使用")
    record(
        actor, "package.reinstate", f"package {name}", changes=[{"path": "reason", "from": None, "to": reason or None}]
    )


@transaction.atomic
def remove(cluster: Cluster, name: str, reason: str, actor: Actor) -> None:
    """Remove row and file; raise PackageInUse while a run that is not over has an item of it.

    The row goes first: a file that a crash leaves has none, and the next leader sweeps it.
    """
    locked(cluster.pk)
    package = _locked(cluster, name)
    live = UpgradeItem.objects.filter(package=package).exclude(run__state__in=UpgradeRun.ENDED)
    runs = sorted({str(run) for run in live.values_list("run", flat=True)})
    if runs:
        raise PackageInUse("package_name", name=name, run=", ".join(runs))
    digest = package.sha256
    package.delete()
    transaction.on_commit(lambda: sweep_file(cluster.pk, name), robust=True)
    _tell(cluster, "removed", f"package {name} was removed", f"升级包 {name} 已被移除")
    changes = [
        {"path": "sha256", "from": digest, "to": None},
        {"path": "reason", "from": None, "to": reason or None},
    ]
    record(actor, "package.remove", f"package {name}", changes=changes)


def _tell(cluster: Cluster, what: str, text: str, text_cn: str, severity: str = "info") -> None:
    # Packages are told apart by name and have no uuid: the subject is their cluster.
    emit(f"package.{what}", cluster.pk, text, text_cn, cluster_uuid=cluster.pk, severity=severity)


def verify(cluster: Cluster, package: UpgradePackage, actor: Actor) -> list[Finding]:
    """Compare the store's file with its row and its signature, as a run would; nothing of it is changed."""
    keys = {key.fingerprint: load_public_key(key.public_key) for key in trusted_keys(cluster)}
    connection.close()  # a large file takes seconds
    findings = [*_file_findings(cluster, package)]
    if findings[0].ok:
        findings += _content_findings(cluster, package, keys)
    _note(cluster, package, findings, actor)
    return findings


def _file_findings(cluster: Cluster, package: UpgradePackage) -> list[Finding]:
    try:
        with digests_of(store(cluster) / package.package_name) as digests:
            found = digests()
    except OSError as error:
        reason = error.strerror or "unreadable"
        return [Finding("file", False, f"the store's file can't be read: {reason}", f"无法读取存储文件：{reason}")]
    findings = [Finding("file", True, "the store has the file", "存储文件存在")]
    for check in ("size", "sha256", "md5"):
        now, then = getattr(found, check), getattr(package, check)
        if now == then:
            findings.append(Finding(check, True, f"{check} is as taken in", f"{check} 与接收时一致"))
        else:
            findings.append(Finding(check, False, f"{check} is {now}, not {then}", f"{check} 为 {now}，应为 {then}"))
    return findings


def _content_findings(cluster: Cluster, package: UpgradePackage, keys: Mapping[str, Ed25519PublicKey]) -> list[Finding]:
    try:
        inspection = inspect_package(store(cluster) / package.package_name, keys)
    except SysmgrError as error:
        check = "signature" if error.name() == "PackageNotSigned" else "content"
        return [Finding(check, False, error.text, error.text_cn)]
    same = _facts(inspection.manifest) == (
        package.version,
        {p.service_type: (p.minimum_version, p.files, p.size) for p in package.payloads.all()},
    )
    return [
        Finding("signature", True, f"signed by {inspection.signed_by}", f"由 {inspection.signed_by} 签名"),
        Finding("content", True, "every member is as the manifest says", "所有成员与清单一致"),
        Finding("manifest", True, "the manifest is what was taken in", "清单与接收时一致")
        if same
        else Finding("manifest", False, "the manifest is not what was taken in", "清单与接收时不一致"),
    ]


def _facts(manifest: Manifest) -> tuple[str, dict[str, tuple[str, int, int]]]:
    services = {}
    for name, payload in manifest.services.items():
        files = [entry for _, entry in manifest.files_of(name)]
        services[name] = (payload.minimum_version or "", len(files), sum(entry.size for entry in files))
    return manifest.version, services


@transaction.atomic
def _note(cluster: Cluster, package: UpgradePackage, findings: list[Finding], actor: Actor) -> None:
    bad = [finding.check for finding in findings if not finding.ok]
    name = package.package_name
    if bad:
        text = f"package {name} did not pass: {', '.join(bad)}"
        _tell(cluster, "spoilt", text, f"升级包 {name} 未通过检查：{', '.join(bad)}", "error")
    record(actor, "package.verify", f"package {name}", result="failed" if bad else "success")
