"""The multipart upload of a package: each block goes straight to quarantine."""

from __future__ import annotations

from sysmgr.api.multipart import OneFileHandler

from .intake import BLOCK, Intake


class QuarantineHandler(OneFileHandler):
    """Takes a form's package in; `size` is that of the whole body, in bytes."""

    chunk_size = BLOCK

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.intake: Intake | None = None

    def begin(self) -> None:
        """Begin the intake; raise NoSpaceForPackage when the disk is short."""
        self.intake = Intake(self.file_name or "", expected_size=self.size)

    def take(self, block: bytes) -> None:
        """Take one block; raise NoSpaceForPackage when the disk is full."""
        assert self.intake is not None
        self.intake.write(block)

    def upload_interrupted(self) -> None:
        """Leave nothing of a broken upload."""
        self.abort()

    def abort(self) -> None:
        """Remove what is in quarantine, if anything is."""
        if self.intake is not None:
            self.intake.abort()
