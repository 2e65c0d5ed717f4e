"""Packages at the admin's door: taken in, verified, withdrawn, reinstated, removed; by those who may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.test import Client

from cluster.models import Cluster
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from tests.pages import LANGUAGES, enter, faults, refusals, said, url
from tests.upgrades.engine.drive import ask
from upgrades.intake import store
from upgrades.models import UpgradePackage

pytestmark = pytest.mark.django_db(transaction=True)
UPLOAD = "/admin/upgrades/upgradepackage/upload/"
ACTS = ("verify", "withdraw", "reinstate", "remove")


@pytest.fixture
def newest(demo_cluster: Cluster, term: int) -> UpgradePackage:
    """The demo's newest package."""
    return UpgradePackage.objects.get(version="1.5")


def act(client: Client, package: UpgradePackage, name: str, **form: str) -> Any:
    return client.post(url(UpgradePackage, name, package.pk), form, follow=True)


def upload(client: Client, cluster: Cluster, name: str, content: bytes, field: str = "file") -> Any:
    form = {"cluster": str(cluster.pk), field: SimpleUploadedFile(name, content)}
    return client.post(UPLOAD, form, follow=True)


def content_of(package: UpgradePackage) -> bytes:
    return (store(package.cluster) / package.package_name).read_bytes()


def audited() -> list[tuple[str, str, str]]:
    rows = AuditRow.objects.filter(door="admin").exclude(action="login").order_by("seq")
    return list(rows.values_list("action", "object", "user_name"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.OPERATOR])
def test_each_act_asks_first(newest: UpgradePackage, role: str, language: str) -> None:
    client = enter(role, language)
    for name in ACTS:
        page = client.get(url(UpgradePackage, name, newest.pk))
        assert (page.status_code, faults(page)) == (200, [])
    assert faults(client.get(UPLOAD)) == []
    assert audited() == []
    newest.refresh_from_db()
    assert newest.withdrawn_time is None


def test_auditors_see_packages_and_do_nothing(newest: UpgradePackage) -> None:
    client = enter(Role.AUDITOR)
    page = client.get(url(UpgradePackage, "change", newest.pk)).content.decode()
    assert newest.sha256 in page and not [name for name in ACTS if f"/{name}/" in page]
    assert "/upload/" not in client.get(url(UpgradePackage, "changelist")).content.decode()
    for name in ACTS:
        assert client.get(url(UpgradePackage, name, newest.pk)).status_code == 403
        assert client.post(url(UpgradePackage, name, newest.pk), {"reason": "x"}).status_code == 403
    assert upload(client, newest.cluster, newest.package_name, b"x").status_code == 403
    assert client.get(UPLOAD).status_code == 403
    assert {row[0] for row in audited()} == {"call"} and UpgradePackage.objects.count() == 2


def test_a_package_is_withdrawn_and_reinstated(newest: UpgradePackage) -> None:
    client = enter(Role.OPERATOR)
    page = client.get(url(UpgradePackage, "change", newest.pk)).content.decode()
    assert "/withdraw/" in page and "/reinstate/" not in page
    for _ in range(2):
        assert "withdrawn" in said(act(client, newest, "withdraw", reason="it breaks"))[0]
    newest.refresh_from_db()
    assert newest.withdrawn_time is not None and newest.withdrawn_reason == "it breaks"
    page = client.get(url(UpgradePackage, "change", newest.pk)).content.decode()
    assert "/withdraw/" not in page and "/reinstate/" in page
    act(client, newest, "reinstate")
    newest.refresh_from_db()
    assert newest.withdrawn_time is None
    told = f"package {newest.package_name}"
    assert audited() == [("package.withdraw", told, "the-operator"), ("package.reinstate", told, "the-operator")]


def test_verify_tells_each_finding_in_the_language_of_the_page(newest: UpgradePackage) -> None:
    assert "size is as taken in" in said(act(enter(Role.OPERATOR), newest, "verify"))
    path = store(newest.cluster) / newest.package_name
    path.write_bytes(b"spoilt")
    told = said(act(enter(Role.OPERATOR, "zh-hans"), newest, "verify"))
    assert [text for text in told if text.startswith("size 为 6")]


def test_a_package_is_removed_unless_a_run_needs_it(newest: UpgradePackage) -> None:
    client, path = enter(Role.OPERATOR, "zh-hans"), store(newest.cluster) / newest.package_name
    ask(newest.cluster, "storage", version="1.5")
    assert "正被未结束的任务使用" in refusals(act(client, newest, "remove"))
    assert path.exists()
    older = UpgradePackage.objects.get(version="1.4.1")
    gone = act(client, older, "remove", reason="old")
    assert gone.redirect_chain[-1][0] == url(UpgradePackage, "changelist")
    assert not (store(newest.cluster) / older.package_name).exists()
    assert act(client, older, "remove").redirect_chain[-1][0] == "/admin/"
    assert list(UpgradePackage.objects.all()) == [newest]


def test_a_reason_that_is_too_long_is_told(newest: UpgradePackage) -> None:
    assert "255" in refusals(act(enter(Role.OPERATOR), newest, "withdraw", reason="x" * 256))


def test_an_upload_is_taken_in_once(newest: UpgradePackage, tmp_path: Path) -> None:
    content, name = content_of(newest), newest.package_name
    client = enter(Role.OPERATOR)
    act(client, newest, "remove")
    for _ in range(2):
        answer = upload(client, newest.cluster, name, content)
        package = UpgradePackage.objects.get(version="1.5")
        assert answer.redirect_chain == [(url(UpgradePackage, "change", package.pk), 302)]
        assert said(answer) == [f"{name} was taken in."]
    assert content_of(package) == content
    assert list((tmp_path / "quarantine").iterdir()) == []
    assert ("package.accept", f"package {name}", "the-operator") in audited()


def test_bad_uploads_are_told_and_leave_nothing_behind(newest: UpgradePackage, tmp_path: Path) -> None:
    good, cluster = content_of(newest), newest.cluster
    client = enter(Role.OPERATOR)
    assert "under its own name" in refusals(upload(client, cluster, "updatepackage_1.6.tar.gz", good))
    assert refusals(upload(client, cluster, newest.package_name, good[:-9]))
    assert refusals(upload(client, cluster, newest.package_name, b"nothing"))
    assert "Choose a package" in refusals(upload(client, cluster, newest.package_name, good, field="other"))
    assert "Choose a package" in refusals(client.post(UPLOAD, {"cluster": str(cluster.pk)}))
    assert refusals(client.post(UPLOAD, {"cluster": "x", "file": SimpleUploadedFile("x", good)}))
    assert refusals(client.post(UPLOAD, b"--x\r\nnonsense", content_type="multipart/form-data; boundary=x"))
    assert "not valid multipart" in refusals(client.post(UPLOAD, {f"field{n}": "1" for n in range(2000)}))
    chinese = upload(enter(Role.OPERATOR, "zh-hans"), cluster, "updatepackage_1.6.tar.gz", good)
    assert "请使用正确的文件名" in refusals(chinese)
    assert list((tmp_path / "quarantine").iterdir()) == []
    assert UpgradePackage.objects.count() == 2


def test_too_many_bodies_at_once_are_told(newest: UpgradePackage, monkeypatch: pytest.MonkeyPatch) -> None:
    client = enter(Role.OPERATOR)
    monkeypatch.setattr("sysmgr.api.bodies.PER_SOURCE", 0)
    assert upload(client, newest.cluster, newest.package_name, content_of(newest)).status_code == 503


def test_an_upload_without_the_page_s_token_is_refused_and_leaves_nothing(
    newest: UpgradePackage, tmp_path: Path
) -> None:
    client = enter(Role.ADMINISTRATOR, enforce_csrf_checks=True)
    content, name = content_of(newest), newest.package_name
    assert upload(client, newest.cluster, name, content).status_code == 403
    assert list((tmp_path / "quarantine").iterdir()) == []
    client.get(UPLOAD)
    form = {
        "csrfmiddlewaretoken": client.cookies["csrftoken"].value,
        "cluster": str(newest.cluster.pk),
        "file": SimpleUploadedFile(name, content),
    }
    assert client.post(UPLOAD, form).status_code == 302


def test_the_file_never_goes_through_django_s_own_handlers(
    newest: UpgradePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used(self: FileUploadHandler, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("the file was kept in memory or in a second file")

    monkeypatch.setattr("django.core.files.uploadhandler.MemoryFileUploadHandler.new_file", used)
    monkeypatch.setattr("django.core.files.uploadhandler.TemporaryFileUploadHandler.new_file", used)
    answer = upload(enter(Role.OPERATOR), newest.cluster, newest.package_name, content_of(newest))
    assert said(answer) == [f"{newest.package_name} was taken in."]


def test_other_acts_need_the_page_s_token(newest: UpgradePackage) -> None:
    client = enter(Role.ADMINISTRATOR, enforce_csrf_checks=True)
    assert client.post(url(UpgradePackage, "withdraw", newest.pk), {}).status_code == 403
    assert client.post(url(UpgradePackage, "remove", newest.pk), {}).status_code == 403
    assert UpgradePackage.objects.filter(withdrawn_time=None).count() == 2
