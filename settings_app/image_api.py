"""The doors of the log-in page's image: the upload, and the page's own read of it, which needs no token."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.http import require_safe
from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.api.bodies import receiving
from sysmgr.api.envelope import ok
from sysmgr.api.strict_json import printable
from sysmgr.errors import BodyTooLarge, InvalidInput, MalformedBody, Problem, UnsupportedMediaType

from . import login_image

_FORM_BYTES = 64 * 1024  # what the form itself may add to the image


class MemoryHandler(FileUploadHandler):
    """Takes the one file `file` of a form into memory, at most MAX_BYTES of it."""

    def __init__(self) -> None:
        super().__init__()
        self.content = bytearray()
        self.begun = self.complete = self.too_large = False
        self.unexpected = ""

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin, once."""
        super().new_file(field_name, *args, **kwargs)
        if field_name != "file" or self.begun:
            self.unexpected = field_name
            raise StopUpload(connection_reset=True)
        self.begun = True

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take one block."""
        self.too_large = len(self.content) + len(raw_data) > login_image.MAX_BYTES
        if self.too_large:
            raise StopUpload(connection_reset=True)
        self.content += raw_data

    def file_complete(self, file_size: int) -> None:
        """Note that the file arrived whole; there is no file object to hand on."""
        self.complete = True


class FrontStyleViewSet(ClusterViewSet):
    """`/v1/system/front_style/...`."""

    def upload(self, request: Any) -> Response:
        """Take an image in from a multipart form: `file`, PNG, JPEG or WebP, at most 2 MiB.

        Answers `{login_image}`, the path that `front_style_setting.login_image` accepts.
        """
        plain = request._request
        if not (plain.content_type or "").startswith("multipart/form-data"):
            raise UnsupportedMediaType(expected="multipart/form-data")
        if int(plain.META.get("CONTENT_LENGTH") or 0) > login_image.MAX_BYTES + _FORM_BYTES:
            raise BodyTooLarge("file", limit=login_image.MAX_BYTES)
        handler = MemoryHandler()
        plain.upload_handlers = [handler]
        connection.close()  # a body that stalls holds a thread, never a database connection
        form = self._received(request)
        self._check(form, handler)
        if self.named_cluster(request, form) is not None:
            self.cluster(request, form)  # no cluster owns the image, but who names one must name one that is there
        return ok({"login_image": login_image.take_in(bytes(handler.content), self.gate(request).actor)})

    def _received(self, request: Any) -> dict[str, str]:
        try:
            with receiving(self.gate(request).source):
                return dict(request._request.POST.items())
        except (MultiPartParserError, SuspiciousOperation, UnreadablePostError):
            raise MalformedBody("file", reason="it is not valid multipart", reason_cn="不是有效的 multipart") from None

    def _check(self, form: dict[str, str], handler: MemoryHandler) -> None:
        if handler.too_large:
            raise BodyTooLarge("file", limit=login_image.MAX_BYTES)
        problems = [Problem(printable(key), "is not a known key", "未知的键") for key in form if key != "cluster_uuid"]
        if handler.unexpected:
            problems.append(Problem(printable(handler.unexpected), "is not a known file", "未知的文件字段"))
        if not problems and not handler.complete:
            problems.append(Problem("file", "is required", "为必填项"))
        if problems:
            raise InvalidInput(problems)


@require_safe
def image(request: HttpRequest, name: str) -> HttpResponse:
    """Show an image to the log-in page; its name is its digest, so it never changes."""
    file = login_image.file_of(login_image.PREFIX + name)
    if file is None:
        raise Http404
    try:
        content = file.read_bytes()
    except OSError:
        raise Http404 from None
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(content, content_type=f"image/{file.suffix[1:]}", headers=headers)
