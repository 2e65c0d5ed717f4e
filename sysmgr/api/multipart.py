"""Multipart forms with one file: the file goes to its taker block by block, never to memory or a second file."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.db import connection
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from sysmgr.errors import InvalidInput, MalformedBody, Problem, SysmgrError, UnsupportedMediaType

from .bodies import receiving
from .strict_json import printable


class OneFileHandler(FileUploadHandler):
    """Takes the one file `file` of a form; what went wrong is kept in `error`, for the view to raise."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = self.complete = False
        self.error: SysmgrError | None = None
        self.unexpected = ""

    def begin(self) -> None:
        """Get ready for the file; may raise a SysmgrError."""

    def take(self, block: bytes) -> None:
        """Take one block; may raise a SysmgrError."""
        raise NotImplementedError

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin, once."""
        super().new_file(field_name, *args, **kwargs)
        if field_name != "file" or self.begun:
            self.unexpected = field_name
            raise StopUpload(connection_reset=True)
        self.begun = True
        try:
            self.begin()
        except SysmgrError as error:
            self.error = error
            raise StopUpload(connection_reset=True) from None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Hand one block on."""
        try:
            self.take(raw_data)
        except SysmgrError as error:
            self.error = error
            raise StopUpload(connection_reset=True) from None

    def file_complete(self, file_size: int) -> None:
        """Note that the file arrived whole; there is no file object to hand on."""
        self.complete = True


def require_form(request: HttpRequest) -> None:
    """Raise UnsupportedMediaType unless the body is a multipart form."""
    if not (request.content_type or "").startswith("multipart/form-data"):
        raise UnsupportedMediaType(expected="multipart/form-data")


def receive(request: HttpRequest, source: str, handler: OneFileHandler) -> dict[str, str]:
    """Read the body while `handler` takes the file; return the form's fields, or raise what is wrong with it."""
    request.upload_handlers = [handler]
    connection.close()  # a body that stalls holds a thread, never a database connection
    try:
        with receiving(source):
            form = dict(request.POST.items())
    except (MultiPartParserError, SuspiciousOperation, UnreadablePostError):
        raise MalformedBody("file", reason="it is not valid multipart", reason_cn="不是有效的 multipart") from None
    if handler.error is not None:
        raise handler.error
    problems = [Problem(printable(key), "is not a known key", "未知的键") for key in form if key != "cluster_uuid"]
    if handler.unexpected:
        problems.append(Problem(printable(handler.unexpected), "is not a known file", "未知的文件字段"))
    if not problems and not handler.complete:
        problems.append(Problem("file", "is required", "为必填项"))
    if problems:
        raise InvalidInput(problems)
    return {str(key): str(value) for key, value in form.items()}
