"""The image of the log-in page: taken in by content, kept below the data directory under its digest, swept."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

from django.db import transaction

from cluster.models import Cluster
from sysmgr import env
from sysmgr.audit.services import Actor, record
from sysmgr.files import write_whole

from .errors import ImageRefused, NoSpaceForImage
from .image_formats import NoImage, image_format
from .models import FrontStyleSetting, SettingRevision

MAX_BYTES = 2 * 1024 * 1024
KEPT_SECONDS = 24 * 3600  # so long an image may wait for the setting that names it
PREFIX = "/media/login-image/"
_NAME = re.compile(r"[0-9a-f]{64}\.(png|jpeg|webp)")


def folder() -> Path:
    """Return where the images lie."""
    return env.DATA_DIR / "media" / "login-image"


def file_of(path: str) -> Path | None:
    """Return the file of a path that an upload answered; None when it is none or its file is gone."""
    name = path.removeprefix(PREFIX)
    if not path.startswith(PREFIX) or not _NAME.fullmatch(name):
        return None
    file = folder() / name
    return file if file.is_file() else None


def take_in(content: bytes, actor: Actor) -> str:
    """Keep an image and return its path; the same again changes nothing. Raises ImageRefused or NoSpaceForImage."""
    try:
        kind = image_format(content)
    except NoImage as error:
        raise ImageRefused("file", reason=error.reason, reason_cn=error.reason_cn) from None
    path = f"{PREFIX}{hashlib.sha256(content).hexdigest()}.{kind}"
    known = file_of(path)
    if known is not None:
        os.utime(known)  # the sweep counts from here
        return path
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(folder() / path.removeprefix(PREFIX), content)
    except OSError:
        raise NoSpaceForImage("file") from None
    record(actor, "login_image.upload", path)
    return path


def sweep() -> None:
    """Remove images that no cluster's settings name, neither now nor in a revision that may be restored."""
    for file in folder().glob("*"):
        if time.time() - file.stat().st_mtime < KEPT_SECONDS:
            continue
        path = PREFIX + file.name
        with transaction.atomic():
            # Settings are written under this lock: who names the image now has been seen, or will find it gone.
            list(Cluster.objects.select_for_update().order_by("pk").values_list("pk"))
            named = FrontStyleSetting.objects.filter(login_image=path).exists()
            kept = SettingRevision.objects.filter(snapshot__front_style_setting__login_image=path).exists()
            if not named and not kept:
                file.unlink(missing_ok=True)
