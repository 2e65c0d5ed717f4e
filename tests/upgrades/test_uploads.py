"""The life of resumable uploads: locked, checked by leaders that die, refused, short of disk, expired."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import namedtuple
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster
from sysmgr import jobs
from sysmgr.accounts.models import User
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests.together import at_once
from tests.upgrades.tus import LIST, NAME, begin, begun, checksum, end, head, left, listed, patch
from upgrades import upload_files, uploads
from upgrades.intake import store
from upgrades.models import TusUpload, UpgradePackage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


def test_what_is_no_package_is_refused_and_its_owner_learns_why(api: Client, tmp_path: Path) -> None:
    place = begun(api, 7)
    patch(api, place, 0, b"nothing")
    uploads.finish_all()
    row = listed(api)[0]
    assert (row["state"], row["scode"], row["package_name"]) == ("refused", 10001, "")
    assert "gzip" in row["message"] and "gzip" in row["message_cn"]
    seen = head(api, place)
    assert (seen["Sysmgr-Upload-Scode"], "gzip" in seen["Sysmgr-Upload-Message"]) == ("10001", True)
    assert Event.objects.filter(kind="package.refused").count() == 1
    assert AuditRow.objects.filter(action="package.accept", result="refused").count() == 1
    assert left() == [] and list((tmp_path / "quarantine").iterdir()) == []


def test_a_request_that_was_killed_before_its_checksum_leaves_only_what_is_proven(api: Client, unstored: bytes) -> None:
    place = begun(api, len(unstored))
    patch(api, place, 0, unstored[:100])
    uuid = TusUpload.objects.get().pk
    # What `kill -9` leaves: the note of where the unproven begins, and bytes behind it.
    (upload_files.folder() / f"{uuid}.unproven").write_text("100")
    with (upload_files.folder() / str(uuid)).open("ab") as file:
        file.write(b"spoilt")
    assert head(api, place)["Upload-Offset"] == "100"
    assert patch(api, place, 106, unstored[106:]).status_code == 409
    assert patch(api, place, 100, unstored[100:]).status_code == 204
    uploads.finish_all()
    assert listed(api)[0]["state"] == "accepted"


def test_while_somebody_works_on_an_upload_it_is_locked(api: Client, unstored: bytes) -> None:
    place = begun(api, len(unstored))
    patch(api, place, 0, unstored)
    with (upload_files.folder() / str(TusUpload.objects.get().pk)).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for answer in (patch(api, place, len(unstored), b""), end(api, place)):
            assert (answer.status_code, answer.json()["scode"]) == (423, 4061)
        uploads.finish_all()
        assert listed(api)[0]["state"] == "finishing"
    uploads.finish_all()
    assert listed(api)[0]["state"] == "accepted"


def test_two_leaders_at_once_make_one_package(api: Client, unstored: bytes) -> None:
    for _ in range(3):
        patch(api, begun(api, len(unstored)), 0, unstored)
    at_once([uploads.finish_all] * 3)
    uploads.finish_all()
    assert [row["state"] for row in listed(api)] == ["accepted"] * 3
    assert UpgradePackage.objects.filter(package_name=NAME).count() == 1
    assert (store(Cluster.objects.get()) / NAME).read_bytes() == unstored
    assert left() == []


@pytest.mark.parametrize("moment", ["linked", "published", "committed", "last byte"])
def test_a_leader_killed_while_it_finishes_is_followed_by_one_that_does(
    api: Client, unstored: bytes, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    place = begun(api, len(unstored))
    patch(api, place, 0, unstored)
    if moment == "last byte":
        TusUpload.objects.update(state="receiving")
    else:
        where = {
            "linked": "upgrades.intake.inspect_package",
            "published": "upgrades.intake.record",
            "committed": "upgrades.upload_files.forget",
        }[moment]

        class Killed(BaseException):
            pass

        def killed(*args: Any, **options: Any) -> None:
            raise Killed

        with monkeypatch.context() as death:
            death.setattr(where, killed)
            with pytest.raises(Killed):
                uploads.finish_all()
    uploads.finish_all()
    uploads.expire()
    assert listed(api)[0]["state"] == "accepted"
    assert UpgradePackage.objects.filter(package_name=NAME).count() == 1
    assert (store(Cluster.objects.get()) / NAME).read_bytes() == unstored
    assert left() == []


def test_a_file_that_is_gone_is_told(api: Client, unstored: bytes) -> None:
    patch(api, begun(api, len(unstored)), 0, unstored)
    (upload_files.folder() / str(TusUpload.objects.get().pk)).unlink()
    uploads.finish_all()
    assert (listed(api)[0]["state"], listed(api)[0]["scode"]) == ("refused", 4067)


def test_uploads_expire_and_leave_nothing(api: Client, unstored: bytes) -> None:
    old, young, whole = begun(api, 5), begun(api, 5), begun(api, len(unstored))
    for place, body in ((old, b"12"), (young, b"12"), (whole, unstored)):
        patch(api, place, 0, body)
    late = timezone.now() - timedelta(seconds=1)
    TusUpload.objects.exclude(pk=young.rpartition("/")[2]).update(expire_time=late)
    assert [head(api, place).status_code for place in (old, young)] == [404, 200]
    assert patch(api, old, 2, b"345").status_code == 404
    orphan = upload_files.folder() / "00000000-0000-4000-8000-000000000000"
    orphan.write_bytes(b"of a killed process")
    uploads.expire()
    assert left() == [young.rpartition("/")[2]]
    # The one that was all here in time was checked, however late.
    assert {row["state"] for row in listed(api)} == {"receiving", "accepted"}
    TusUpload.objects.update(expire_time=late)
    uploads.expire()
    assert not TusUpload.objects.exists()
    assert left() == []
    assert UpgradePackage.objects.filter(package_name=NAME).exists()


def test_a_short_disk_is_told_at_the_beginning_and_on_the_way(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve, size = 64 * 1024 * 1024, 1024 * 1024
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, reserve + 2 * size))
    first = begun(api, size)
    patch(api, first, 0, b"x" * (size // 2))
    begun(api, size)
    refused = begin(api, size)  # one and a half are promised already
    assert (refused.status_code, refused.json()["scode"], refused.json()["desc"]) == (507, 4032, "Upload-Length")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, reserve))
    assert patch(api, first, size // 2, b"x").status_code == 507
    assert head(api, first)["Upload-Offset"] == str(size // 2)


@pytest.mark.parametrize("with_checksum", [False, True])
def test_a_disk_that_fills_on_the_way_keeps_what_is_proven(
    api: Client, monkeypatch: pytest.MonkeyPatch, with_checksum: bool
) -> None:
    size = 3 * 1024 * 1024
    place, body = begun(api, size), b"x" * size
    real = os.pwrite

    def full(descriptor: int, data: bytes, at: int) -> int:
        if at >= 2 * 1024 * 1024:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, at)

    headers = {"Upload-Checksum": checksum("sha1", body)} if with_checksum else {}
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        assert patch(api, place, 0, body, **headers).status_code == 507
    kept = 0 if with_checksum else 2 * 1024 * 1024
    assert head(api, place)["Upload-Offset"] == str(kept)
    assert patch(api, place, kept, body[kept:]).status_code == 204


def test_reads_cost_little(api: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    place = begun(api, 5)
    with django_assert_num_queries(2):  # gate · upload
        head(api, place)
    with django_assert_num_queries(3):  # gate · count · page
        row = listed(api)[0]
    assert list(row) == [
        "upload_uuid",
        "cluster_uuid",
        "file_name",
        "length",
        "offset",
        "state",
        "scode",
        "message",
        "message_cn",
        "package_name",
        "create_time",
        "expire_time",
    ]
    assert api.get(LIST, {"filter_name": "1.9"}).json()["data"] == {"total_count": 0, "list": []}


def test_a_user_who_goes_takes_the_uploads_along(api: Client) -> None:
    begun(api, 5)
    TusUpload.objects.all()
    User.objects.filter(user_name="a-administrator").delete()
    uploads.expire()
    assert left() == []


def test_the_leader_does_it_by_itself() -> None:
    assert {job.name: job.function for job in jobs.registered()}["finished uploads"] == uploads.look
    assert {job.name: job.function for job in jobs.registered()}["expired uploads"] == uploads.expire
