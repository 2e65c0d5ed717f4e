"""Rows of every model, for tests that look at all of them."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.utils import timezone

from cluster.models import Cluster, Host, HostService, LeaderLease, Member
from settings_app.models import OutboxMail, PendingChange, SnmpSettings, SnmpTarget
from sysmgr.accounts.models import (
    ApiKey,
    LoginGuard,
    PasswordLink,
    RecoveryCode,
    Role,
    SecondFactor,
    Token,
    User,
)
from sysmgr.api.models import IdempotencyKey
from sysmgr.audit.models import AuditTally
from sysmgr.audit.services import SYSTEM, record
from sysmgr.events.alerts import Trouble, raise_alert
from sysmgr.events.models import Cursor
from sysmgr.events.services import emit
from upgrades.models import (
    Backup,
    HostHold,
    PackagePayload,
    StepLog,
    TrustedKey,
    TusUpload,
    UpgradeItem,
    UpgradePackage,
    UpgradeRun,
)


def host(cluster: Cluster, place: int) -> Host:
    """Make a host with one service."""
    made = Host.objects.create(cluster=cluster, host_ip=f"192.0.2.{place}", root="/srv/x")
    HostService.objects.create(host=made, service_type="cloud", version="1.0")
    return made


def package(cluster: Cluster, version: str) -> UpgradePackage:
    """Make a package with one payload."""
    made = UpgradePackage.objects.create(
        cluster=cluster,
        package_name=f"updatepackage_{version}.tar.gz",
        version=version,
        md5="0" * 32,
        sha256="0" * 64,
        size=1,
        signed_by="demo",
        fingerprint="f",
        update_time=timezone.now(),
    )
    PackagePayload.objects.create(package=made, service_type="cloud", files=1, size=1)
    return made


def item(run: UpgradeRun, on: Host, brings: UpgradePackage, ordinal: int) -> UpgradeItem:
    """Make one step of a run, with the backup that it wrote."""
    made = UpgradeItem.objects.create(
        run=run,
        ordinal=ordinal,
        host=on,
        service_type="cloud",
        package=brings,
        from_version="1.0",
        to_version=brings.version,
        message="in English",
        message_cn="中文消息",
    )
    StepLog.objects.create(item=made, task=made.task, step="spec", begin_time=timezone.now(), seconds=0.5, code=0)
    Backup.objects.create(
        host=on,
        service_type="cloud",
        package_name=f"backup_{ordinal}",
        version="1.0",
        begin_time=timezone.now(),
        item=made,
    )
    return made


def mail(cluster: Cluster, state: str = "waiting") -> OutboxMail:
    """Make a mail of the outbox."""
    now = timezone.now()
    return OutboxMail.objects.create(
        cluster=cluster,
        receiver="ops@example.com",
        subject="An upgrade ended",
        body="very-mail-text",
        state=state,
        next_time=now if state == "waiting" else None,
        create_time=now,
    )


def one_of_each(cluster: Cluster) -> None:
    """Make at least one row of every model that the admin shows; the sections are there with the cluster."""
    now = timezone.now()
    Member.objects.create(address="192.0.2.9", version="1", heartbeat=now)
    LeaderLease.objects.get_or_create(id=1)
    TrustedKey.objects.create(name="k", public_key="p", fingerprint="f", cluster=cluster)
    run = UpgradeRun.objects.create(cluster=cluster, author="x", options={"canary": 1})
    held = host(cluster, 1)
    item(run, held, package(cluster, "2.0"), 0)
    HostHold.objects.create(host=held, run=run)
    user = User.objects.create_user("somebody", "a-long-password")
    Token.objects.create(
        user=user,
        digest="d" * 64,
        source="192.0.2.7",
        create_time=now,
        last_used_time=now,
        expire_time=now + timedelta(hours=1),
    )
    guards(cluster, user)
    TusUpload.objects.create(
        user=user, cluster=cluster, file_name="a.tar.gz", length=1, expire_time=now, message_cn="中文", message="x"
    )
    mail(cluster)
    raise_alert("test.cause", Trouble("It is wrong.", "出错了。", cluster_uuid=cluster.pk))
    Cursor.objects.get_or_create(name=Cursor.STREAM)
    IdempotencyKey.objects.create(user=user, path="/v1/x", key="k", body_digest="b", answer={"kept": "answer-kept"})
    section = SnmpSettings.objects.get(cluster=cluster)
    SnmpTarget.objects.create(
        settings=section, ordinal=0, name="t", version="v2c", host="192.0.2.8", community="very-c"
    )
    emit("test.happened", uuid.uuid4(), "It happened.", "已发生。", cluster_uuid=cluster.pk)
    record(SYSTEM, "test", "something", changes=[{"path": "a.b", "from": 1, "to": 2}])


def guards(cluster: Cluster, user: User) -> None:
    """Make one row of each of what guards the doors; the secrets in them must be on no page."""
    now = timezone.now()
    later = now + timedelta(hours=1)
    ApiKey.objects.create(user=user, name="k", digest="d" * 63 + "1", role=Role.AUDITOR, create_time=now)
    PasswordLink.objects.create(user=user, digest="d" * 63 + "2", create_time=now, expire_time=later)
    SecondFactor.objects.create(user=user, secret="very-shared", enroll_time=now)
    RecoveryCode.objects.create(user=user, digest="d" * 63 + "3")
    LoginGuard.objects.create(name_digest="d" * 63 + "4", user_name="x", source="192.0.2.7", failures=1, last_time=now)
    AuditTally.objects.create(
        key="d" * 63 + "5", user_name="x", door="api", source="192.0.2.7", action="login", object="user x", row_time=now
    )
    PendingChange.objects.create(cluster=cluster, revision=1, deadline=later, author="x", before='{"very": "c"}')
