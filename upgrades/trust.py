"""Whose packages are accepted: the trusted keys, and whether a stored package may be used for a new run."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.audit.services import Actor, record
from sysmgr.events.services import emit

from .errors import TrustedKeyExists, TrustedKeyNotFound
from .models import TrustedKey, UpgradePackage
from .package.sign import fingerprint, load_public_key, public_key_text


class Fault(NamedTuple):
    """Why something can't be used, in both languages, without a full stop."""

    english: str
    chinese: str


def living() -> Q:
    """Return what holds of keys that have not expired."""
    return Q(expire_time=None) | Q(expire_time__gt=timezone.now())


def with_trust(packages: QuerySet[UpgradePackage]) -> QuerySet[UpgradePackage]:
    """Annotate each package with `trusted`: whether its signer's key is trusted by its cluster now."""
    scope = Q(cluster=OuterRef("cluster")) | Q(cluster=None)
    keys = TrustedKey.objects.filter(living(), scope, fingerprint=OuterRef("fingerprint"))
    return packages.annotate(trusted=Exists(keys))


def fault(package: UpgradePackage) -> Fault | None:
    """Return why no new run may use the package, or None. Rollbacks may use it all the same."""
    if package.withdrawn_time is not None:
        reason = f": {package.withdrawn_reason}" if package.withdrawn_reason else ""
        reason_cn = f"：{package.withdrawn_reason}" if package.withdrawn_reason else ""
        return Fault(f"was withdrawn{reason}", f"已被撤回{reason_cn}")
    if not package.trusted:  # type: ignore[attr-defined]  # annotated by `with_trust`
        return Fault(
            f"is signed by a key that is no longer trusted ({package.signed_by})",
            f"其签名密钥已不受信任（{package.signed_by}）",
        )
    return None


@transaction.atomic
def add(cluster: Cluster | None, name: str, public_key: str, expire_time: datetime | None, actor: Actor) -> TrustedKey:
    """Trust a key for one cluster or (None) for all; the same again changes nothing, an expired one is replaced."""
    public = load_public_key(public_key)
    mark = fingerprint(public)
    list(Cluster.objects.select_for_update(no_key=True).order_by("pk"))  # two that add the same come in turn
    existing = TrustedKey.objects.filter(cluster=cluster, fingerprint=mark).first()
    if existing is not None:
        if (existing.name, existing.expire_time) == (name, expire_time):
            return existing
        if existing.expire_time is None or existing.expire_time > timezone.now():
            raise TrustedKeyExists("public_key", name=existing.name)
        existing.delete()
    key = TrustedKey.objects.create(
        name=name, public_key=public_key_text(public), fingerprint=mark, cluster=cluster, expire_time=expire_time
    )
    _announce(key, "added", f"key {name} ({mark}) is trusted now", f"已信任密钥 {name}（{mark}）")
    record(actor, "trust.add", f"key {mark}", changes=[_change("name", None, name), _scope(None, cluster)])
    return key


@transaction.atomic
def remove(cluster: Cluster | None, mark: str, actor: Actor) -> None:
    """Trust a key no longer, there where it was added: no new run may use its packages; a rollback may."""
    key = TrustedKey.objects.select_for_update().filter(cluster=cluster, fingerprint=mark).first()
    if key is None:
        raise TrustedKeyNotFound("fingerprint", fingerprint=mark[:64])
    key.delete()
    text, text_cn = f"key {key.name} ({mark}) is trusted no longer", f"密钥 {key.name}（{mark}）不再受信任"
    _announce(key, "removed", text, text_cn)
    record(actor, "trust.remove", f"key {mark}", changes=[_change("name", key.name, None), _scope(cluster, None)])


def _announce(key: TrustedKey, what: str, text: str, text_cn: str) -> None:
    everywhere = UUID(int=0)  # a key of all clusters is the matter of none of them
    emit(f"trust.{what}", key.cluster_id or everywhere, text, text_cn, cluster_uuid=key.cluster_id)


def _change(path: str, before: str | None, after: str | None) -> dict[str, str | None]:
    return {"path": path, "from": before, "to": after}


def _scope(before: Cluster | None, after: Cluster | None) -> dict[str, str | None]:
    return _change("cluster_uuid", str(before.pk) if before else None, str(after.pk) if after else None)
