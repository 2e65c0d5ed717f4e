"""Talking tus 1.0.0 with Django's test client: upgrade_package/tus, then upgrade_package/tus/<uuid:upload_uuid>."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from django.test import Client

from upgrades import upload_files

TUS = "/v1/system/upgrade_package/tus"
LIST = "/v1/system/upgrade_package/upload/list"
NAME = "updatepackage_1.5.tar.gz"
BODY = "application/offset+octet-stream"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def begin(client: Client, length: Any, name: str = NAME, **headers: str) -> Any:
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": f"filename {encoded(name)}"}
    return client.post(TUS, b"", content_type=BODY, headers={**sent, **headers})


def begun(client: Client, length: int, **options: Any) -> str:
    answer = begin(client, length, **options)
    assert answer.status_code == 201, answer.content
    return str(answer["Location"])


def patch(client: Client, place: str, offset: int, body: bytes, **headers: str) -> Any:
    # The test client names no content type of an empty body by itself.
    sent = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": BODY, **headers}
    return client.patch(place, body, content_type=BODY, headers=sent)


def head(client: Client, place: str) -> Any:
    return client.head(place, headers={"Tus-Resumable": "1.0.0"})


def end(client: Client, place: str) -> Any:
    return client.delete(place, headers={"Tus-Resumable": "1.0.0"})


def listed(client: Client) -> Any:
    return client.get(LIST).json()["data"]["list"]


def left() -> list[str]:
    return sorted(path.name for path in upload_files.folder().iterdir())


def checksum(algorithm: str, body: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"
