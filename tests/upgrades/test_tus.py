"""Resumable uploads at the API door, request by request: what tus 1.0.0 wants, and what it leaves to us."""

from __future__ import annotations

import hashlib

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr.audit.models import AuditRow
from tests.conftest import client_of
from tests.together import at_once
from tests.upgrades.tus import BODY, LIST, NAME, TUS, begin, begun, checksum, encoded, end, head, left, listed, patch
from upgrades import uploads
from upgrades.intake import store
from upgrades.models import TusUpload, UpgradePackage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


def test_a_package_comes_in_parts_and_is_taken_in_by_the_leader(api: Client, unstored: bytes) -> None:
    answer = begin(api, len(unstored))
    assert (answer.status_code, answer["Tus-Resumable"]) == (201, "1.0.0")
    place, half = answer["Location"], len(unstored) // 2
    assert answer.json()["data"]["upload_uuid"] == place.rpartition("/")[2]
    assert "Upload-Expires" in answer
    assert head(api, place)["Upload-Offset"] == "0"
    first = patch(api, place, 0, unstored[:half])
    assert (first.status_code, first["Upload-Offset"], first.content) == (204, str(half), b"")
    assert "Upload-Expires" in first
    seen = head(api, place)
    assert (seen.status_code, seen["Upload-Offset"], seen["Upload-Length"]) == (200, str(half), str(len(unstored)))
    assert (seen["Cache-Control"], seen["Sysmgr-Upload-State"]) == ("no-store", "receiving")
    assert f"filename {encoded(NAME)}" in seen["Upload-Metadata"]
    uploads.finish_all()
    assert [row["state"] for row in listed(api)] == ["receiving"]
    assert patch(api, place, half, unstored[half:]).status_code == 204
    assert head(api, place)["Sysmgr-Upload-State"] == "finishing"
    uploads.finish_all()
    uploads.finish_all()
    seen = head(api, place)
    assert (seen["Sysmgr-Upload-State"], seen["Upload-Offset"]) == ("accepted", str(len(unstored)))
    row = listed(api)[0]
    assert (row["state"], row["package_name"], row["scode"], row["offset"]) == ("accepted", NAME, 0, len(unstored))
    assert (store(Cluster.objects.get()) / NAME).read_bytes() == unstored
    package = UpgradePackage.objects.get(package_name=NAME)
    assert (package.md5, package.size) == (hashlib.md5(unstored).hexdigest(), len(unstored))
    assert AuditRow.objects.filter(action="package.accept", user_name="a-administrator", door="api").count() == 1
    assert left() == []


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_a_part_with_the_wrong_checksum_is_dropped(api: Client, unstored: bytes, algorithm: str) -> None:
    place = begun(api, len(unstored))
    assert patch(api, place, 0, unstored[:100]).status_code == 204
    wrong = patch(api, place, 100, b"x" * 50, **{"Upload-Checksum": checksum(algorithm, unstored[100:150])})
    assert (wrong.status_code, wrong.json()["scode"], wrong.json()["desc"]) == (460, 4063, "Upload-Checksum")
    assert head(api, place)["Upload-Offset"] == "100"
    right = patch(api, place, 100, unstored[100:], **{"Upload-Checksum": checksum(algorithm, unstored[100:])})
    assert right.status_code == 204
    uploads.finish_all()
    assert listed(api)[0]["state"] == "accepted"


@pytest.mark.alike
@pytest.mark.parametrize("sent", ["crc32 AAAA", "sha1", "sha1 AAAA", "sha1 !", "", "SHA1 " + "A" * 28])
def test_a_checksum_that_says_nothing_is_refused(api: Client, sent: str) -> None:
    place = begun(api, 10)
    answer = patch(api, place, 0, b"12345", **{"Upload-Checksum": sent})
    assert (answer.status_code, answer.json()["desc"]) == (400, "Upload-Checksum")
    assert head(api, place)["Upload-Offset"] == "0"


def test_another_offset_is_a_conflict_and_more_than_the_length_is_too_large(api: Client) -> None:
    place = begun(api, 10)
    for offset in (1, 11, 10**17):
        answer = patch(api, place, offset, b"x")
        assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (409, 4062, "Upload-Offset")
    assert patch(api, place, 0, b"12345678901").status_code == 413
    assert patch(api, place, 0, b"").status_code == 204
    assert patch(api, place, 0, b"1234567890").status_code == 204
    over = patch(api, place, 10, b"")
    assert (over.status_code, over.json()["scode"]) == (409, 4066)


@pytest.mark.parametrize("version", [None, "0.2.2"])
def test_another_version_of_the_protocol_is_refused_by_name(api: Client, version: str | None) -> None:
    place = begun(api, 10)
    headers = {} if version is None else {"Tus-Resumable": version}
    answers = [
        api.post(TUS, b"", content_type=BODY, headers={**headers, "Upload-Length": "5"}),
        api.patch(place, b"x", content_type=BODY, headers={**headers, "Upload-Offset": "0"}),
        api.head(place, headers=headers),
        api.delete(place, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [412] * 4
    assert {(answer["Tus-Version"], answer["Tus-Resumable"]) for answer in answers} == {("1.0.0", "1.0.0")}
    assert answers[0].json()["scode"] == 4064


def test_options_say_what_is_spoken_without_a_version(api: Client) -> None:
    for place in (TUS, begun(api, 5)):
        answer = api.options(place)
        assert answer.status_code == 204
        assert answer["Tus-Version"] == "1.0.0"
        assert answer["Tus-Extension"] == "creation,checksum,expiration,termination"
        assert answer["Tus-Checksum-Algorithm"] == "sha1,sha256,md5"
        assert answer["Tus-Max-Size"] == str(16 * 1024**3)
    assert api.options(LIST).status_code == 405


@pytest.mark.alike
@pytest.mark.parametrize(
    ("headers", "status", "desc"),
    [
        ({"Upload-Length": "0"}, 400, "Upload-Length"),
        ({"Upload-Length": "-5"}, 400, "Upload-Length"),
        ({"Upload-Length": "x"}, 400, "Upload-Length"),
        ({"Upload-Length": ""}, 400, "Upload-Length"),
        ({"Upload-Length": str(16 * 1024**3 + 1)}, 413, "Upload-Length"),
        ({"Upload-Defer-Length": "1"}, 400, "Upload-Defer-Length"),
        ({"Upload-Metadata": "filename !!"}, 400, "Upload-Metadata.filename"),
        ({"Upload-Metadata": "filename /w=="}, 400, "Upload-Metadata.filename"),
        ({"Upload-Metadata": f"filename {encoded('a' * 256)}"}, 400, "Upload-Metadata.filename"),
        ({"Upload-Metadata": f"filename {encoded('a' + chr(0))}"}, 400, "Upload-Metadata.filename"),
        ({"Upload-Metadata": "a YQ==,a YQ=="}, 400, "Upload-Metadata.a"),
        ({"Upload-Metadata": f"cluster_uuid {encoded('x')}"}, 400, "cluster_uuid"),
        ({"Upload-Metadata": f"cluster_uuid {encoded('00000000-0000-4000-8000-000000000000')}"}, 404, "cluster_uuid"),
    ],
)
def test_a_wrong_beginning_is_refused(api: Client, headers: dict[str, str], status: int, desc: str) -> None:
    answer = begin(api, 5, **headers)
    assert (answer.status_code, answer.json()["desc"]) == (status, desc)
    assert not TusUpload.objects.exists()


def test_metadata_names_the_cluster_and_may_say_more(api: Client) -> None:
    cluster = Cluster.objects.get()
    sent = f"filename {encoded('包.tar.gz')},cluster_uuid {encoded(str(cluster.pk))}, filetype YQ==,is_mine"
    begun(api, 5, **{"Upload-Metadata": sent})
    other = Cluster.objects.create(name="other")
    assert begin(api, 5, **{"Upload-Metadata": f"cluster_uuid {encoded(str(other.pk))}"}).status_code == 201
    assert {row["cluster_uuid"] for row in listed(api)} == {str(cluster.pk), str(other.pk)}
    assert listed(api)[1]["file_name"] == "包.tar.gz"


@pytest.mark.parametrize(
    ("headers", "kind", "status"),
    [
        ({}, "application/json", 415),
        ({"Content-Encoding": "gzip"}, BODY, 415),
        ({"Transfer-Encoding": "chunked"}, BODY, 400),
        ({"Upload-Offset": "x"}, BODY, 400),
    ],
)
def test_a_wrong_part_is_refused(api: Client, headers: dict[str, str], kind: str, status: int) -> None:
    place = begun(api, 5)
    sent = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", **headers}
    assert api.patch(place, b"x", content_type=kind, headers=sent).status_code == status
    assert head(api, place)["Upload-Offset"] == "0"


def test_an_upload_is_its_owners(api: Client) -> None:
    place, other = begun(api, 5), client_of("operator")
    for answer in (head(other, place), patch(other, place, 0, b"x"), end(other, place)):
        assert (answer.status_code, answer["Tus-Resumable"]) == (404, "1.0.0")
    assert listed(other) == []
    assert begin(other, 5).status_code == 201
    refused = begin(client_of("auditor"), 5)
    assert (refused.status_code, refused["Tus-Resumable"]) == (403, "1.0.0")
    assert Client().post(TUS).status_code == 401
    assert head(api, f"{TUS}/00000000-0000-4000-8000-000000000000").status_code == 404
    assert api.get(place, headers={"Tus-Resumable": "1.0.0"}).status_code == 405


def test_so_many_uploads_are_open_and_no_more(api: Client) -> None:
    places = [begun(api, 5) for _ in range(3)]
    answers = at_once([lambda: begin(api, 5)] * 3)
    assert sorted(answer.status_code for answer in answers) == [201, 429, 429]
    assert begin(api, 5).json()["scode"] == 4065
    assert end(api, places[0]).status_code == 204
    assert begin(api, 5).status_code == 201


def test_an_ended_upload_is_gone(api: Client) -> None:
    place = begun(api, 5)
    patch(api, place, 0, b"123")
    assert end(api, place).status_code == 204
    assert [answer.status_code for answer in (head(api, place), end(api, place), patch(api, place, 3, b"4"))] == [
        404
    ] * 3
    assert left() == []
    assert list(
        AuditRow.objects.filter(action__startswith="upload.").order_by("seq").values_list("action", flat=True)
    ) == [
        "upload.create",
        "upload.remove",
    ]


def test_who_can_send_neither_patch_nor_delete_says_what_is_meant(api: Client) -> None:
    place = begun(api, 5)
    meant = {"Tus-Resumable": "1.0.0", "X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    assert api.post(place, b"12", content_type=BODY, headers=meant).status_code == 204
    assert head(api, place)["Upload-Offset"] == "2"
    assert (
        api.post(place, b"", content_type=BODY, headers={**meant, "X-HTTP-Method-Override": "GET"}).status_code == 405
    )
    assert (
        api.post(place, b"", content_type=BODY, headers={**meant, "X-HTTP-Method-Override": "DELETE"}).status_code
        == 204
    )
    assert head(api, place).status_code == 404
