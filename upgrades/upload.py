"""The multipart upload: each block goes straight to quarantine, never to memory or a second file."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, StopUpload

from sysmgr.errors import SysmgrError

from .intake import BLOCK, Intake


class QuarantineHandler(FileUploadHandler):
    """Takes the one file `file` of a form in; what went wrong is kept in `error`, for the view to raise."""

    chunk_size = BLOCK

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.intake: Intake | None = None
        self.complete = False
        self.error: SysmgrError | None = None
        self.unexpected = ""

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin the intake, once."""
        super().new_file(field_name, *args, **kwargs)
        if field_name != "file" or self.intake is not None:
            self.unexpected = field_name
            raise StopUpload(connection_reset=True)
        try:
            self.intake = Intake(self.file_name or "", expected_size=self.size)
        except SysmgrError as error:
            self.error = error
            raise StopUpload(connection_reset=True) from None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take one block."""
        assert self.intake is not None
        try:
            self.intake.write(raw_data)
        except SysmgrError as error:
            self.error = error
            raise StopUpload(connection_reset=True) from None

    def file_complete(self, file_size: int) -> None:
        """Note that the file arrived whole; there is no file object to hand on."""
        self.complete = True

    def upload_interrupted(self) -> None:
        """Leave nothing of a broken upload."""
        self.abort()

    def abort(self) -> None:
        """Remove what is in quarantine, if anything is."""
        if self.intake is not None:
            self.intake.abort()
