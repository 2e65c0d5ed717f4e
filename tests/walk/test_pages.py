"""Every page of the admin that writes, used with success: each leaves a row of its door, none a secret anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from cluster.models import Cluster, Host, LeaderLease
from settings_app.mail.outbox import queue
from settings_app.models import (
    AccessControlPolicy,
    FrontStyleSetting,
    LoginPolicy,
    MailSetting,
    MultiAuthenticationSetting,
    OutboxMail,
    PasswordComplexityPolicy,
    PendingChange,
    SettingRevision,
    SnmpSettings,
    StorageSetting,
)
from sysmgr.accounts import factor, keys, tokens
from sysmgr.accounts.models import ApiKey, LoginGuard, Role, SecondFactor, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.alerts import Trouble, raise_alert
from sysmgr.events.models import Alert
from tests.pages import url
from tests.settings_app.admin.forms import inputs, read
from tests.sshd import sshd_hosts
from tests.sysmgr.accounts.calls import policy
from tests.upgrades import tus
from tests.upgrades.engine.drive import IP, drive
from upgrades.models import Backup, UpgradePackage, UpgradeRun
from upgrades.transports.host_keys import fingerprint_of

from .test_api import code
from .traces import Trace

FIRST, SECOND, THIRD = "Planted-Password-1", "Planted-Password-2", "Planted-Password-3"
# Pages with an address of their own that change nothing, and Django's own that do so for every model.
READS = {
    "": "leads to the overview",
    "(?P<url>.*)$": "leads elsewhere",
    "<path:object_id>/": "leads elsewhere",
    "healthz": "reads",
    "media/login-image/<str:name>": "reads",
    "metrics": "reads",
    "readyz": "reads",
    "set_language": "sets a cookie of the browser",
    "app_list": "reads",
    "autocomplete": "reads",
    "index": "reads",
    "jsi18n": "reads",
    "password_change_done": "reads",
    "search": "reads",
    "settings_app_settingrevision_origins": "reads",
    "style": "reads",
    "upgrades_upgraderun_progress": "reads",
    "view_on_site": "leads elsewhere",
}

pytestmark = pytest.mark.django_db(transaction=True)


class Pages(Trace):
    """Sends forms to pages of the admin."""

    def send(self, client: Client, name: str, /, *args: Any, door: str = "admin", at: str = "", **form: Any) -> Any:
        """Send a form to a page, which must leave a row at its door; return the answer."""
        address = at or reverse(f"admin:{name}", args=args)
        rows = AuditRow.objects.filter(door=door, result="success")
        before = rows.count()
        answer = client.post(address, form)
        shown: Any = (answer.context or {}).get("form")
        assert answer.status_code in (200, 302), (name, answer.status_code)
        assert not getattr(shown, "errors", None), (name, shown.errors)
        self.called.add(name)
        if rows.count() == before:
            self.silent.append(name)
        return answer

    def act(self, client: Client, row: Model, name: str, /, **form: Any) -> Any:
        """Do one of the acts that a row's page offers, with what its form shows beside what is given."""
        model = type(row)
        shown = read(client.get(url(model, name, row.pk)))
        given = {**shown, **form}
        return self.send(client, f"{model._meta.app_label}_{model._meta.model_name}_{name}", row.pk, **given)

    def section(self, client: Client, model: Any, cluster: Cluster, **changed: str) -> None:
        """Save a section's form."""
        form = {**inputs(client, model, cluster), **changed}
        self.send(client, f"settings_app_{model._meta.model_name}_change", cluster.pk, **form)


@pytest.fixture
def trace() -> Pages:
    return Pages()


def entered(trace: Pages, name: str, password: str) -> Client:
    client = Client()
    trace.send(client, "login", username=name, password=password, next="/admin/")
    trace.told(client.cookies["sessionid"].value)
    return client


def once(trace: Pages, pattern: str, answer: Any) -> str:
    """Return the first secret of a kind that a page shows, once and never again."""
    secret: str = re.findall(pattern, answer.content.decode())[0]
    trace.told(secret)
    return secret


def users(trace: Pages, client: Client) -> None:
    """Users, as administrators change them."""
    new = {"user_name": "carol", "role": "operator", "email": ""}
    made = trace.send(client, "accounts_user_create", **new, password="", again="")
    carol = User.objects.get(user_name="carol")
    once(trace, r"link=([\w-]+)", made)
    trace.act(client, carol, "update", email="carol@example.com")
    link = once(trace, r"link=([\w-]+)", trace.act(client, carol, "password_link"))
    set_by_link = {"link": link, "password": FIRST, "again": FIRST}
    trace.send(Client(), "password_link", door="link", at="/password", **set_by_link)
    trace.act(client, carol, "set_password", password=SECOND, again=SECOND)
    Client().post("/admin/login/", {"username": "carol", "password": "Planted-Guess-1"})
    trace.told("Planted-Guess-1")
    trace.act(client, LoginGuard.objects.get(user_name="carol"), "unlock")
    trace.told(tokens.issue(carol, "127.0.0.1", 3600)[0])
    trace.act(client, Token.objects.get(user=carol), "end")
    trace.told(keys.create_key(carol.pk, keys.Wanted("k", "", None, []), SYSTEM)[0])
    trace.act(client, ApiKey.objects.get(), "remove")
    trace.told(factor.enroll(carol, SYSTEM).secret)
    trace.act(client, carol, "reset_second_factor")
    trace.act(client, carol, "remove")


def own(trace: Pages, client: Client) -> None:
    """One's own password, second factor, keys and log-ins."""
    trace.send(client, "second_factor", act="enroll")
    secret = SecondFactor.objects.get().secret.reveal()
    confirmed = trace.send(client, "second_factor", act="confirm", otp=code(secret))
    trace.told(secret, *re.findall("<li>([A-Z2-7-]{19})</li>", confirmed.content.decode()))
    recovery = once(trace, "<li>([A-Z2-7-]{19})</li>", confirmed)
    trace.send(client, "second_factor", act="remove", otp=recovery)
    made = trace.send(client, "accounts_apikey_create", name="mine", role="auditor", expire_time="", ranges="")
    once(trace, r"smk_[\w-]+", made)
    trace.send(client, "accounts_apikey_mine", key=str(ApiKey.objects.get().pk))
    entered(trace, "root", FIRST)
    newest = Token.objects.filter(user__user_name="root").latest("create_time")
    trace.send(client, "accounts_token_mine", session=str(newest.pk))
    given = {"old_password": FIRST, "new_password1": THIRD, "new_password2": THIRD}
    trace.send(client, "password_change", **given)
    trace.told(client.cookies["sessionid"].value)
    trace.send(entered(trace, "root", THIRD), "logout")


def settings(trace: Pages, client: Client, cluster: Cluster) -> None:
    """Each section, what waits for its confirmation, revisions, gate and probes, mails, alerts."""
    trace.section(client, StorageSetting, cluster, hop_hc="7", confirm_within_seconds="600")
    trace.act(client, PendingChange.objects.get(), "confirm")
    first = SettingRevision.objects.get(cluster=cluster, number=1)
    trace.act(client, first, "restore", sections=["storage_setting"])
    trace.section(client, LoginPolicy, cluster, login_fail_retry_times="9")
    trace.section(client, PasswordComplexityPolicy, cluster, password_minimum_length="9")
    trace.section(client, FrontStyleSetting, cluster, login_url="https://login.example.com/")
    trace.section(client, AccessControlPolicy, cluster, ip_ranges="192.0.2.0/24")
    trace.section(client, MailSetting, cluster, smtp_account="a", smtp_password="planted-smtp")
    target = {"name": "t", "version": "v2c", "host": "127.0.0.1", "port": "162", "community": "planted-community"}
    given = {f"targets-0-{key}": value for key, value in target.items()}
    trace.section(client, SnmpSettings, cluster, **given)
    trace.section(client, MultiAuthenticationSetting, cluster, authentication_type="totp")
    first_mail, second_mail = queue(cluster, ["a@example.com", "b@example.com"], "s", f"{trace.secrets}")
    OutboxMail.objects.filter(pk=first_mail.pk).update(state="failed", next_time=None, end_time=timezone.now())
    trace.act(client, OutboxMail.objects.get(pk=first_mail.pk), "retry")
    trace.act(client, OutboxMail.objects.get(pk=second_mail.pk), "remove")
    trace.act(client, cluster, "gate", **{"gate.kind": "command", "gate.name": "walk"})
    trace.act(client, cluster, "probes", **{"probes.cloud.kind": "command", "probes.cloud.name": "walk"})
    raise_alert("walk", Trouble("a", "b"))
    trace.act(client, Alert.objects.get(key="walk"), "acknowledge")


def packages(trace: Pages, client: Client, cluster: Cluster, whole: bytes) -> None:
    """Packages, from taking one in to its removal."""

    def upload() -> UpgradePackage:
        file = SimpleUploadedFile(tus.NAME, whole)
        trace.send(client, "upgrades_upgradepackage_upload", cluster=str(cluster.pk), file=file)
        return UpgradePackage.objects.get(package_name=tus.NAME)

    package = upload()
    for name in ("verify", "withdraw", "reinstate", "remove"):
        trace.act(client, package, name)
    upload()  # for the runs


def runs(trace: Pages, client: Client, cluster: Cluster, term: int) -> None:
    """Upgrades and backups, driven on real directories where the next page needs it."""

    def newest() -> UpgradeRun:
        return UpgradeRun.objects.latest("create_time")

    def asked() -> None:
        form: dict[str, Any] = {"items": [f"{IP} storage"], "version": "1.5"}
        plan = client.post(reverse("admin:upgrades_upgraderun_new"), form).context["plan"]
        trace.send(client, "upgrades_upgraderun_new", **form, plan_fingerprint=plan["fingerprint"])

    asked()
    for name in ("pause", "resume", "cancel", "retry"):
        trace.act(client, newest(), name)
    trace.act(client, newest(), "waive", host_ip=IP, check="health", reason="it is sick, and that is why")
    assert (run := drive(newest(), term)).state == "succeeded"
    trace.act(client, run, "rollback")
    assert drive(newest(), term).state == "succeeded"
    asked()
    trace.act(client, newest(), "skip", host_ip=IP, reason="it is on fire")
    trace.send(client, "upgrades_backup_new", cluster=str(cluster.pk), host_ip=IP, service_type="storage")
    assert drive(newest(), term).state == "succeeded"
    backup = Backup.objects.filter(version="1.5").earliest("begin_time")
    trace.act(client, backup, "verify")
    trace.act(client, backup, "restore")
    assert drive(newest(), term).state == "succeeded"
    trace.act(client, Backup.objects.filter(version="1.3").earliest("begin_time"), "remove")


def hosts(trace: Pages, client: Client, cluster: Cluster, folder: Path) -> None:
    """A host behind a real sshd."""
    with sshd_hosts(1, folder) as (one,):
        (folder / "installed").mkdir()
        text = f"host_ip,transport,root,services\n{one.host_ip},ssh,{one.root},cloud\n"
        file = SimpleUploadedFile("hosts.csv", text.encode())
        trace.send(client, "cluster_host_import", cluster=str(cluster.pk), file=file)
        host = Host.objects.get(host_ip=one.host_ip)
        Host.objects.filter(pk=host.pk).update(ssh_port=one.port, ssh_user=one.user)
        fingerprint = fingerprint_of(one.host_key)
        trace.act(client, host, "probe", accept_fingerprint=fingerprint)
        trace.act(client, host, "repin", fingerprint=fingerprint, reason="walk")
        trace.act(client, host, "hold_out", maintenance_reason="walk")
        trace.act(client, host, "take_back")
        installed = {"service_type": "cloud", "source_path": str(folder / "installed"), "version": "1.0"}
        trace.act(client, host, "adopt", **installed)


def _names(patterns: Any) -> Iterator[str]:
    """Yield the names of addresses, or the address itself where it has none; the API's are walked elsewhere."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and not str(pattern.pattern).startswith("v1/"):
            yield pattern.name or str(pattern.pattern)


def writes(user: User) -> set[str]:
    """Return the names of all pages, but for those that read and those that nobody may use."""
    request = RequestFactory().get("/")
    request.user = user
    names = set(_names(get_resolver().url_patterns))
    assert READS.keys() - names == set()
    found = names - READS.keys()
    for model, page in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found -= {f"{name}_changelist", f"{name}_history"}
        permissions = {verb: getattr(page, f"has_{verb}_permission")(request) for verb in ("add", "change", "delete")}
        found -= {f"{name}_{verb}" for verb, given in permissions.items() if not given}
    return found


def test_each_page_leaves_a_row_and_no_secret_anywhere(
    demo_cluster: Cluster,
    unstored: bytes,
    term: int,
    trace: Pages,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))
    policy(demo_cluster, login_fail_retry_times=5)
    root = User.objects.create_user("root", FIRST, role=Role.ADMINISTRATOR)
    client = entered(trace, "root", FIRST)
    packages(trace, client, demo_cluster, unstored)
    runs(trace, client, demo_cluster, term)
    hosts(trace, client, demo_cluster, tmp_path)
    users(trace, client)
    settings(trace, client, demo_cluster)
    own(trace, client)
    assert trace.silent == []
    assert trace.leaks(caplog.text) == []
    assert writes(root) - trace.called == set()
