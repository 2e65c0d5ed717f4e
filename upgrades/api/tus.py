"""The API door of resumable uploads: tus 1.0.0 with creation, checksum, expiration and termination."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from uuid import UUID

from django.http import HttpResponse, UnreadablePostError
from django.utils.http import http_date
from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.api.bodies import receiving
from sysmgr.api.envelope import ok, standard
from sysmgr.api.paging import page_of
from sysmgr.api.strict_json import check_text, printable
from sysmgr.errors import InvalidInput, MalformedBody, MethodNotAllowed, Problem, UnsupportedMediaType
from upgrades import uploads
from upgrades.models import TusUpload
from upgrades.upload_errors import TusVersionWrong
from upgrades.upload_files import ALGORITHMS, Checksum

VERSION = "1.0.0"
_BODY = "application/offset+octet-stream"


class TusViewSet(ClusterViewSet):
    """`/v1/system/upgrade_package/tus` and `.../tus/<uuid>`."""

    # The API answers 405 to OPTIONS elsewhere; here it is how a tus client learns what the server can do.
    http_method_names = ["head", "post", "patch", "delete", "options"]

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Refuse another version of the protocol before anything else."""
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            raise TusVersionWrong("Tus-Resumable")

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Name the protocol in each answer, and the version that is spoken in a refusal of another one."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == TusVersionWrong.status:
            response["Tus-Version"] = VERSION
        return response

    def discover(self, request: Any, upload_uuid: UUID | None = None) -> HttpResponse:
        """Say what is spoken here."""
        found = {
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,checksum,expiration,termination",
            "Tus-Max-Size": str(uploads.MAX_SIZE),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        }
        return HttpResponse(status=204, headers=found)

    def create(self, request: Any) -> Response:
        """Begin an upload; the cluster is in the query or the metadata."""
        if request.headers.get("Upload-Defer-Length") is not None:
            problem = Problem("Upload-Defer-Length", "is not taken; send Upload-Length", "不支持；请发送 Upload-Length")
            raise InvalidInput([problem])
        length = _number(request, "Upload-Length")
        if _length(request):
            raise MalformedBody(reason="an upload is begun without a body", reason_cn="创建上传时不应携带请求体")
        metadata = _metadata(request.headers.get("Upload-Metadata", ""))
        named = {key: value for key, value in metadata.items() if key == "cluster_uuid"}
        cluster = self.cluster(request, named)
        gate = self.gate(request)
        upload = uploads.create(gate.user, cluster, metadata.get("filename", ""), length, gate.actor)
        # A path, not a URL: only the client knows the name of the proxy that it came through.
        place = {"Location": f"/v1/system/upgrade_package/tus/{upload.pk}", **_expires(upload)}
        return Response(standard(uploads.shown(upload)), status=201, headers=place)

    def offset(self, request: Any, upload_uuid: UUID) -> HttpResponse:
        """Say how much is here and, once all is, what became of it."""
        upload = uploads.find(self.gate(request).user, upload_uuid)
        told = {
            "Upload-Offset": str(uploads.offset(upload)),
            "Upload-Length": str(upload.length),
            "Upload-Metadata": _as_metadata(filename=upload.file_name, cluster_uuid=str(upload.cluster_id)),
            "Sysmgr-Upload-State": upload.state,
            "Sysmgr-Upload-Scode": str(upload.scode),
            "Sysmgr-Upload-Message": upload.message.encode("ascii", "backslashreplace").decode(),
            **_expires(upload),
        }
        return HttpResponse(status=200, headers=told)

    def append(self, request: Any, upload_uuid: UUID) -> HttpResponse:
        """Take the next bytes."""
        if request.content_type != _BODY or request.headers.get("Content-Encoding"):
            raise UnsupportedMediaType(expected=_BODY)
        if request.headers.get("Transfer-Encoding"):
            raise MalformedBody(reason="it has no Content-Length", reason_cn="缺少 Content-Length")
        start, count = _number(request, "Upload-Offset"), _length(request)
        sent = request.headers.get("Upload-Checksum")
        checksum = None if sent is None else Checksum.parse(sent)
        gate = self.gate(request)
        with receiving(gate.source):
            upload, came = uploads.append(gate.user, upload_uuid, start, count, checksum, _reader(request._request))
        if came < count:
            raise MalformedBody(reason="it was cut", reason_cn="请求体不完整")
        return HttpResponse(status=204, headers={"Upload-Offset": str(start + came), **_expires(upload)})

    def end(self, request: Any, upload_uuid: UUID) -> HttpResponse:
        """End an upload."""
        gate = self.gate(request)
        uploads.end(gate.user, upload_uuid, gate.actor)
        return HttpResponse(status=204)

    def overridden(self, request: Any, upload_uuid: UUID) -> HttpResponse:
        """Do what a client means that can send neither PATCH nor DELETE."""
        meant = {"PATCH": self.append, "DELETE": self.end}.get(request.headers.get("X-HTTP-Method-Override", ""))
        if meant is None:
            raise MethodNotAllowed
        return meant(request, upload_uuid)


class UploadViewSet(ClusterViewSet):
    """`/v1/system/upgrade_package/upload/...`."""

    def list(self, request: Any) -> Response:
        """List the caller's own uploads, of all clusters."""
        return ok(uploads.own(self.gate(request).user, page_of(self, request)))


def _reader(request: Any) -> Any:
    """Return what reads the next bytes of the body; a client that went away ends it."""

    def read(count: int) -> bytes:
        try:
            block: bytes = request.read(count)
        except UnreadablePostError:
            return b""
        return block

    return read


def _number(request: Any, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput([Problem(header, "must be a whole number, 0 or more", "必须是非负整数")])
    return int(text)


def _length(request: Any) -> int:
    return int(request._request.META.get("CONTENT_LENGTH") or 0)


def _metadata(header: str) -> dict[str, str]:
    """Read `key base64,key base64`; a key may stand without a value."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, encoded = pair.partition(" ")
        path = f"Upload-Metadata.{printable(key)}"
        try:
            value = base64.b64decode(encoded.encode("ascii"), validate=True).decode()
        except (binascii.Error, UnicodeError):
            raise InvalidInput([Problem(path, "must be base64 of UTF-8", "必须是 UTF-8 的 base64")]) from None
        check_text(value, path)
        if len(value) > 255:
            raise InvalidInput([Problem(path, "must have at most 255 characters", "不得超过 255 个字符")])
        if key in found:
            raise InvalidInput([Problem(path, "is there twice", "重复出现")])
        found[key] = value
    return found


def _as_metadata(**values: str) -> str:
    encoded = ((key, base64.b64encode(value.encode()).decode()) for key, value in values.items())
    return ",".join(f"{key} {value}".strip() for key, value in encoded)


def _expires(upload: TusUpload) -> dict[str, str]:
    return {"Upload-Expires": http_date(upload.expire_time.timestamp())}
