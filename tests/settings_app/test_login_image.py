"""The image of the log-in page: taken in by its bytes, served to everybody, named by the settings, swept."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from cluster.models import Cluster
from settings_app import login_image
from settings_app.image_formats import NoImage, image_format
from sysmgr import env, jobs
from sysmgr.audit.models import AuditRow
from tests.conftest import client_of
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)  # the view gives its connection back
PATH = "/v1/system/front_style/login_image/upload"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int = 2, height: int = 3, *, extra: bytes = b"", depth: int = 8) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 21))
    return b"\x89PNG\r\n\x1a\n" + header + extra + data + chunk(b"IEND", b"")


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg(width: int = 2, height: int = 3) -> bytes:
    frame = segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")
    scan = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\x34"
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + frame + scan + b"\xff\xd9"


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = (kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in chunks)
    inside = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


VP8 = (b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 2, 3) + b"data")
VP8L = (b"VP8L", b"\x2f" + struct.pack("<I", 1 | 2 << 14) + b"odd")
VP8X = (b"VP8X", b"\0\0\0\0" + (1).to_bytes(3, "little") + (2).to_bytes(3, "little"))
GOOD = {
    "png": png(),
    "jpeg": jpeg(),
    "webp": riff(VP8),
    "webp lossless": riff(VP8L),
    "webp extended": riff(VP8X, (b"ICCP", b"x"), VP8),
}
BAD = {
    "nothing": b"x",
    "html": b"<html><script>alert(1)</script></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "gif": b"GIF89a\1\0\1\0\0\0\0;",
    "png magic only": b"\x89PNG\r\n\x1a\n",
    "png cut": png()[:-1],
    "png with a tail": png() + b"<script>",
    "png with a wrong checksum": png()[:-5] + b"\0" + png()[-4:],
    "png without a picture": b"\x89PNG\r\n\x1a\n" + png()[8:33] + chunk(b"IEND", b""),
    "png without a header": b"\x89PNG\r\n\x1a\n" + png()[33:],
    "png with two headers": png(extra=png()[8:33]),
    "png of no pixels": png(0, 3),
    "png too wide": png(8193, 1),
    "png of depth 7": png(depth=7),
    "png with a huge chunk": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0xFFFFFFFF) + b"IHDR",
    "jpeg cut": jpeg()[:-1],
    "jpeg with a tail": jpeg() + b"<script>",
    "jpeg without a frame": b"\xff\xd8" + segment(0xDA, b"") + b"\x12\xff\xd9",
    "jpeg of nothing": b"\xff\xd8\xff\xd9",
    "jpeg of no pixels": jpeg(0, 3),
    "jpeg with a segment too long": b"\xff\xd8\xff\xe0\xff\xff" + b"\xff\xd9",
    "webp of another length": riff(VP8) + b"x",
    "webp cut": riff(VP8)[:-1],
    "webp without a picture": riff(VP8X),
    "webp that makes no sense": riff((b"VP8 ", b"\0" * 10)),
    "webp with a chunk too long": riff((b"VP8 ", b""))[:-4] + struct.pack("<I", 99),
}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of the test's own."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    return tmp_path


def upload(client: Client, content: bytes, name: str = "x.png", kind: str = "image/png", **more: Any) -> Any:
    return client.post(PATH, {"file": SimpleUploadedFile(name, content, kind), **more})


def images() -> list[str]:
    return sorted(path.name for path in login_image.folder().glob("*"))


@pytest.mark.parametrize("name", GOOD)
def test_an_image_is_taken_in_by_its_bytes_and_shown_to_everybody(api: Client, name: str) -> None:
    content = GOOD[name]
    answer = upload(api, content, name="evil.html", kind="text/html")
    assert answer.status_code == 200, answer.content
    path = answer.json()["data"]["login_image"]
    kind = name.partition(" ")[0]
    assert list(answer.json()["data"]) == ["login_image"] and path.endswith(f".{kind}")
    shown = Client().get(path)
    assert (shown.status_code, shown.content, shown["Content-Type"]) == (200, content, f"image/{kind}")
    assert shown["X-Content-Type-Options"] == "nosniff" and "immutable" in shown["Cache-Control"]
    assert "Set-Cookie" not in shown
    assert Client().head(path).status_code == 200 and Client().post(path).status_code == 405


@pytest.mark.alike
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_image_is_refused_whatever_it_claims(api: Client, name: str) -> None:
    answer = upload(api, BAD[name])
    assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (400, 10001, "file")
    assert images() == []


@pytest.mark.parametrize("kind", GOOD)
def test_every_cut_and_every_spoilt_byte_is_answered_without_a_crash(kind: str) -> None:
    content = GOOD[kind]
    for place in range(len(content)):
        for broken in (content[:place], content[:place] + b"\xff" + content[place + 1 :]):
            try:
                assert image_format(broken) in ("png", "jpeg", "webp")
            except NoImage as error:
                assert error.reason and error.reason_cn


def test_the_same_again_changes_nothing(api: Client) -> None:
    first, second = upload(api, png()).json(), upload(api, png()).json()
    assert first == second and len(images()) == 1
    assert AuditRow.objects.filter(action="login_image.upload").count() == 1


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_only_administrators_may(cluster: Cluster, role: str) -> None:
    assert upload(client_of(role), png()).status_code == 403
    assert upload(Client(), png()).status_code == 401
    assert images() == []


def test_too_large_is_a_413(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = png(extra=chunk(b"teXt", bytes(login_image.MAX_BYTES - len(png()) - 12)))
    assert len(exact) == login_image.MAX_BYTES and upload(api, exact).status_code == 200
    for more in (1, 3 * 1024 * 1024):
        answer = upload(api, exact + bytes(more))
        assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (413, 1007, "file")


@pytest.mark.alike
@pytest.mark.parametrize(
    ("form", "status", "told"),
    [
        ({}, 400, "file"),
        ({"file": "text"}, 400, "file"),
        ({"other": SimpleUploadedFile("x.png", png())}, 400, "other"),
        ({"file": SimpleUploadedFile("x.png", png()), "a": "1"}, 400, "a"),
        ({"file": [SimpleUploadedFile("x.png", png()), SimpleUploadedFile("y.png", png())]}, 400, "file"),
        ({"file": SimpleUploadedFile("x.png", png()), "cluster_uuid": "x"}, 400, "cluster_uuid"),
        (
            {"file": SimpleUploadedFile("x.png", png()), "cluster_uuid": "00000000-0000-0000-0000-000000000001"},
            404,
            "cluster_uuid",
        ),
    ],
)
def test_a_wrong_form_is_refused(api: Client, form: dict[str, Any], status: int, told: str) -> None:
    answer = api.post(PATH, form)
    assert (answer.status_code, answer.json()["desc"]) == (status, told)
    assert images() == []


def test_another_content_type_is_a_415_and_a_broken_form_a_400(api: Client) -> None:
    assert api.post(PATH, "{}", content_type="application/json").status_code == 415
    assert api.post(PATH, png(), content_type="image/png").status_code == 415
    assert api.post(PATH, b"x", content_type="multipart/form-data").status_code == 400
    assert api.post(PATH, b"x", content_type="multipart/form-data; boundary=x").status_code == 400
    assert api.get(PATH).status_code == 405


def test_a_full_disk_is_a_507_and_leaves_nothing(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert (upload(api, png()).status_code, upload(api, png()).json()["scode"]) == (507, 3040)
    assert images() == []


@pytest.mark.alike
@pytest.mark.parametrize(
    "name",
    ["", "x.png", f"{'0' * 64}.png", f"{'0' * 64}.svg", "..%2f..%2fkeys%2fdjango-secret", "../../keys/django-secret"],
)
def test_nothing_else_is_served(api: Client, data: Path, name: str) -> None:
    (data / "keys").mkdir()
    (data / "keys" / "django-secret").write_text("secret")
    (data / "media" / "login-image").mkdir(parents=True)
    (data / "media" / "login-image" / "x.png").write_bytes(png())
    assert Client().get(f"/media/login-image/{name}").status_code == 404


def setting(client: Client, path: str) -> Any:
    body = {"front_style_setting": {"login_image": path}}
    return client.post("/v1/system/setting/update", body, content_type="application/json")


def test_the_setting_takes_only_what_an_upload_answered(api: Client) -> None:
    path = upload(api, png()).json()["data"]["login_image"]
    for wrong in ("http://evil.example.com/x.png", "/media/login-image/x.png", path.replace(path[20:24], "0000"), "x"):
        answer = setting(api, wrong)
        assert (answer.status_code, answer.json()["desc"]) == (400, "front_style_setting.login_image")
    assert setting(api, path).json()["data"]["front_style_setting"]["login_image"] == path
    (login_image.folder() / path.rpartition("/")[2]).unlink()
    # An image that got lost does not lock the rest of the section.
    other = {"front_style_setting": {"navigate_color": "#102030"}}
    assert api.post("/v1/system/setting/update", other, content_type="application/json").status_code == 200
    assert setting(api, "").status_code == 200


def test_the_sweep_takes_old_images_that_nobody_names(api: Client) -> None:
    used, restorable, fresh, old = (
        upload(api, png(1, n)).json()["data"]["login_image"].rpartition("/")[2] for n in range(1, 5)
    )
    assert setting(api, login_image.PREFIX + restorable).status_code == 200
    assert setting(api, login_image.PREFIX + used).status_code == 200
    for name in (used, restorable, old):
        os.utime(login_image.folder() / name, (0, 0))
    (job,) = [job for job in jobs.registered() if job.name == "log-in images"]
    job.function()
    assert images() == sorted([used, restorable, fresh])
    job.function()
    assert setting(api, login_image.PREFIX + old).status_code == 400
    assert upload(api, png(1, 4)).json()["data"]["login_image"].endswith(old)


def test_a_sweep_beside_a_setting_never_leaves_a_name_without_its_image(cluster: Cluster) -> None:
    client = client_of("administrator")
    path = upload(client, png()).json()["data"]["login_image"]
    os.utime(login_image.folder() / path.rpartition("/")[2], (0, 0))
    answer, _ = at_once([lambda: setting(client, path), login_image.sweep])
    there = login_image.file_of(path) is not None
    assert (answer.status_code, there) in ((200, True), (400, False))
