"""Every endpoint that writes, called with success: each leaves a row in the audit, none a secret anywhere."""

from __future__ import annotations

import re
from base64 import b32decode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from cluster.models import Cluster, LeaderLease
from settings_app.mail.outbox import queue
from sysmgr.accounts.models import Role, SecondFactor, User
from sysmgr.audit.models import AuditRow
from sysmgr.events.alerts import Trouble, raise_alert
from sysmgr.events.models import Alert
from tests.settings_app.mail.servers import Mailbox, smtp
from tests.settings_app.test_login_image import png
from tests.sshd import sshd_hosts
from tests.sysmgr.test_roles import ENDPOINTS
from tests.upgrades import tus
from tests.upgrades.engine.drive import IP, drive
from upgrades.models import Backup, HostHold, UpgradeItem, UpgradeRun
from upgrades.package.sign import public_key_text
from upgrades.transports.host_keys import fingerprint_of

from .traces import Trace

# They read, whatever their method is.
READS = {"/v1/system/setting/preview", "/v1/system/upgrade/plan"}
FIRST, SECOND, THIRD = "Planted-Password-1", "Planted-Password-2", "Planted-Password-3"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trace() -> Trace:
    return Trace()


def users(trace: Trace, admin: Client) -> None:
    """Users, their log-ins, second factors and keys."""
    made = trace.post(admin, "user/create", {"user_name": "carol", "role": "operator", "email": "c@example.com"})
    trace.told(re.split("[/?=#]", made["password_link"])[-1])
    trace.post(admin, "user/update", {"user_name": "carol", "password": FIRST})
    client = entered(trace, "carol", FIRST)
    trace.post(client, "/v1/authentication/password/change", {"old_password": FIRST, "new_password": SECOND})
    enrolled = trace.post(client, "/v1/authentication/otp/enroll", {})
    trace.told(enrolled["secret"], enrolled["otpauth_uri"])
    codes = trace.post(client, "/v1/authentication/otp/confirm", {"otp": code(enrolled["secret"])})["recovery_codes"]
    trace.told(*codes)
    trace.post(client, "/v1/authentication/otp/remove", {"otp": codes[0]})
    key = trace.post(client, "/v1/apikey/create", {"name": "k"})
    trace.told(key["uuid"])
    trace.post(client, "/v1/apikey/remove", {"key_uuid": key["key_uuid"]})
    entered(trace, "carol", SECOND)
    sessions = admin.get("/v1/authentication/session/list", {"user_uuid": made["user_uuid"]}).json()["data"]["list"]
    trace.post(admin, "/v1/authentication/session/end", {"session_uuid": sessions[0]["session_uuid"]})
    trace.post(entered(trace, "carol", SECOND), "/v1/authentication/logout", {})
    trace.post(admin, "user/remove", {"user_name": "carol"})


def entered(trace: Trace, name: str, password: str) -> Client:
    data = trace.post(Client(), "/v1/authentication/login", {"user": name, "password": password})
    return trace.client(data["token"])


def code(secret: str) -> str:
    SecondFactor.objects.update(last_step=0)
    return f"{TOTP(b32decode(secret)).token():06d}"


def settings(trace: Trace, admin: Client) -> None:
    """Settings, mail, access, alerts, the support bundle."""
    mail = {"smtp_server_ip": "127.0.0.1", "smtp_account": "a", "smtp_password": "planted-smtp"}
    trace.post(admin, "mail_setting/update", mail)
    target: dict[str, Any] = {"name": "t", "enabled": True, "version": "v3", "host": "127.0.0.1", "port": 162}
    target |= {"user": "u"}
    target |= {"community": "planted-community", "auth_protocol": "sha", "auth_password": "planted-auth"}
    target |= {"priv_protocol": "", "priv_password": ""}
    trace.post(admin, "setting/update", {"snmp_settings": {"snmps": [target]}, "confirm_within_seconds": 600})
    trace.post(admin, "setting/confirm", {})
    trace.post(admin, "setting/revision/restore", {"revision": 1, "sections": ["snmp_settings"]})
    with smtp(Mailbox()) as port:
        server: dict[str, Any] = {
            "smtp_server_ip": "127.0.0.1",
            "smtp_server_port": port,
            "sender_mail": "s@example.com",
        }
        mail = {**server, "smtp_account": "", "smtp_password": "", "receiver_email": "r@example.com"}
        trace.post(admin, "mail_setting/test", mail)
    cluster = Cluster.objects.get()
    first, second = queue(cluster, ["a@example.com", "b@example.com"], "s", f"{trace.secrets}")
    type(first).objects.filter(pk=first.pk).update(state="failed", next_time=None, end_time=timezone.now())
    trace.post(admin, "mail/outbox/retry", {"mail_uuid": str(first.pk)})
    trace.post(admin, "mail/outbox/remove", {"mail_uuid": str(second.pk)})
    raise_alert("walk", Trouble("a", "b"))
    trace.post(admin, "alert/acknowledge", {"alert_uuid": str(Alert.objects.get(key="walk").pk)})
    before = AuditRow.objects.count()
    image = SimpleUploadedFile("i.png", png(), "image/png")
    answer = admin.post("/v1/system/front_style/login_image/upload", {"file": image})
    assert answer.status_code == 200, answer.content
    trace.wrote("/v1/system/front_style/login_image/upload", before)
    before = AuditRow.objects.count()
    bundle = admin.post("/v1/system/support_bundle/create", "{}", content_type="application/json")
    assert bundle.status_code == 200 and b"".join(bundle.streaming_content)  # type: ignore[attr-defined]
    trace.wrote("/v1/system/support_bundle/create", before)


def clusters(trace: Trace, admin: Client, folder: Path) -> None:
    """Clusters and hosts."""
    made = trace.post(admin, "cluster/create", {"name": "other"})["cluster_uuid"]
    trace.post(admin, "cluster/update", {"cluster_uuid": made, "name": "another"})
    trace.post(admin, "cluster/update", {"cluster_uuid": made, "gate": {"kind": "command", "name": "quorum"}})
    host = {"cluster_uuid": made, "host_ip": "192.0.2.9", "transport": "ssh", "root": "/srv/x", "services": ["cloud"]}
    trace.post(admin, "host/create", host)
    trace.post(admin, "host/update", {"cluster_uuid": made, "host_ip": "192.0.2.9", "labels": ["rack 1"]})
    trace.post(admin, "host/import", {"cluster_uuid": made, "list": [{"host_ip": "192.0.2.9", "labels": []}]})
    trace.post(admin, "host/remove", {"cluster_uuid": made, "host_ip": "192.0.2.9"})
    with sshd_hosts(1, folder) as (one,):
        (folder / "installed").mkdir()
        row = {key: value for key, value in one.row().items() if key != "host_key"}
        trace.post(admin, "host/create", {"cluster_uuid": made, "services": ["cloud"], **row})
        where = {"cluster_uuid": made, "host_ip": one.host_ip}
        fingerprint = fingerprint_of(one.host_key)
        trace.post(admin, "host/probe", {**where, "accept_fingerprint": fingerprint})
        trace.post(admin, "host/repin", {**where, "fingerprint": fingerprint, "reason": "walk"})
        installed = {"service_type": "cloud", "source_path": str(folder / "installed"), "version": "1.0"}
        trace.post(admin, "host/adopt", {**where, **installed})
        trace.post(admin, "host/remove", where)
    demo = Cluster.objects.get(demo=True)
    trace.post(admin, "cluster/update", {"cluster_uuid": str(demo.pk), "default": True})
    trace.post(admin, "cluster/remove", {"cluster_uuid": made})


def packages(trace: Trace, admin: Client, whole: bytes) -> None:
    """Packages, from both ways of taking one in to its removal, and whom we trust."""
    key = public_key_text(Ed25519PrivateKey.generate())
    added = trace.post(admin, "upgrade_package/trust/add", {"name": "vendor", "public_key": key})
    trace.post(admin, "upgrade_package/trust/remove", {"fingerprint": added["fingerprint"]})
    before = AuditRow.objects.count()
    file = SimpleUploadedFile(tus.NAME, whole, "application/gzip")
    answer = admin.post("/v1/system/upgrade_package/upload", {"file": file})
    assert answer.status_code == 200, answer.content
    trace.wrote("/v1/system/upgrade_package/upload", before)
    named = {"package_name": tus.NAME, "reason": "walk"}
    for verb in ("withdraw", "reinstate", "verify", "remove"):
        trace.post(admin, f"upgrade_package/{verb}", named)
    before = AuditRow.objects.count()
    place = tus.begun(admin, len(whole))
    assert tus.patch(admin, place, 0, whole).status_code == 204
    trace.wrote("/v1/system/upgrade_package/tus", before)
    file = SimpleUploadedFile(tus.NAME, whole, "application/gzip")
    assert admin.post("/v1/system/upgrade_package/upload", {"file": file}).status_code == 200  # for the runs


def runs(trace: Trace, admin: Client, term: int) -> None:
    """Upgrades and backups, driven on real directories where the next call needs it."""
    item = {"host_ip": IP, "service_type": "storage", "version": "1.5"}

    def start(call: str, body: object) -> UpgradeRun:
        return UpgradeRun.objects.get(pk=trace.post(admin, call, body)["upgrade_uuid"])

    run = start("compute/version/upgrade", {"list": [item]})
    named = {"upgrade_uuid": str(run.pk)}
    trace.post(admin, "upgrade/pause", named)
    trace.post(admin, "upgrade/resume", named)
    trace.post(admin, "upgrade/cancel", named)
    dead = {"upgrade_uuid": str(start("compute/version/upgrade", {"list": [item]}).pk), "host_ip": IP, "reason": "dead"}
    trace.post(admin, "upgrade/waive", {**dead, "check": "disk_space"})
    assert trace.post(admin, "upgrade/skip", dead)["state"] == "cancelled"
    run = drive(start("compute/version/upgrade", {"list": [item]}), term)
    assert run.state == "succeeded"
    back = drive(start("upgrade/rollback", {"upgrade_uuid": str(run.pk)}), term)
    assert back.state == "succeeded", back.state
    failed = start("compute/version/upgrade", {"list": [item]})
    UpgradeRun.objects.filter(pk=failed.pk).update(state="failed", end_time=timezone.now())
    UpgradeItem.objects.filter(run=failed).update(state="failed", scode=4040)
    HostHold.objects.filter(run=failed).delete()
    drive(start("upgrade/retry", {"upgrade_uuid": str(failed.pk)}), term)
    where = {"host_ip": IP, "service_type": "storage"}
    assert drive(start("compute/version/backup", where), term).state == "succeeded"
    name = {"host_ip": IP, "package_name": Backup.objects.filter(version="1.3").earliest("begin_time").package_name}
    trace.post(admin, "compute/version/verify", name)
    assert drive(start("compute/version/restore", name), term).state == "succeeded"
    newest = Backup.objects.filter(version="1.5").earliest("begin_time").package_name
    trace.post(admin, "compute/version/remove", {"host_ip": IP, "package_name": newest})


def test_each_write_leaves_a_row_and_no_secret_anywhere(
    demo_cluster: Cluster,
    unstored: bytes,
    term: int,
    trace: Trace,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))
    User.objects.create_user("root", THIRD, role=Role.ADMINISTRATOR)
    admin = entered(trace, "root", THIRD)
    packages(trace, admin, unstored)
    runs(trace, admin, term)
    settings(trace, admin)
    clusters(trace, admin, tmp_path)
    users(trace, admin)
    assert trace.silent == []
    assert trace.leaks(caplog.text) == []
    writes = {address for address, how in ENDPOINTS.items() if how == "POST"}
    below_tus = {address for address in writes if address.startswith("/v1/system/upgrade_package/tus/")}
    assert writes - READS - below_tus - trace.called == set()
