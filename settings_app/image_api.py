"""The doors of the log-in page's image: the upload, and the page's own read of it, which needs no token."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.multipart import OneFileHandler, receive, require_form
from sysmgr.errors import BodyTooLarge

from . import login_image

_FORM_BYTES = 64 * 1024  # what the form itself may add to the image


class MemoryHandler(OneFileHandler):
    """Takes the file into memory, at most MAX_BYTES of it."""

    def __init__(self) -> None:
        super().__init__()
        self.content = bytearray()

    def take(self, block: bytes) -> None:
        """Take one block; raise BodyTooLarge when it is one too many."""
        if len(self.content) + len(block) > login_image.MAX_BYTES:
            raise BodyTooLarge("file", limit=login_image.MAX_BYTES)
        self.content += block


class FrontStyleViewSet(ClusterViewSet):
    """`/v1/system/front_style/...`."""

    def upload(self, request: Any) -> Response:
        """Take an image in from a multipart form: `file`, PNG, JPEG or WebP, at most 2 MiB.

        Answers `{login_image}`, the path that `front_style_setting.login_image` accepts.
        """
        plain = request._request
        require_form(plain)
        if int(plain.META.get("CONTENT_LENGTH") or 0) > login_image.MAX_BYTES + _FORM_BYTES:
            raise BodyTooLarge("file", limit=login_image.MAX_BYTES)
        handler = MemoryHandler()
        form = receive(plain, self.gate(request).source, handler)
        if self.named_cluster(request, form) is not None:
            self.cluster(request, form)  # no cluster owns the image, but who names one must name one that is there
        return ok({"login_image": login_image.take_in(bytes(handler.content), self.gate(request).actor)})


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
