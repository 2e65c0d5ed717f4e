"""Resumable uploads: begun, continued, ended; checked by the leader when the last byte is there; expired.

What is known of an upload stands in its row, its bytes in its file; whoever changes either holds the file's lock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.api.fields import StrictUUIDField
from sysmgr.api.paging import Page
from sysmgr.audit.services import Actor, record
from sysmgr.errors import BodyTooLarge, InvalidInput, Problem, SysmgrError
from sysmgr.events.services import emit

from . import upload_files
from .errors import NoSpaceForPackage
from .intake import Intake, lacks_space
from .models import TusUpload, UpgradePackage
from .upload_errors import TooManyUploads, UploadBusy, UploadLost, UploadNotFound, UploadOffsetWrong, UploadOver
from .upload_files import Checksum

log = logging.getLogger("sysmgr.uploads")
MAX_SIZE = 16 * 1024**3
OPEN_PER_USER = 4
LIFE = timedelta(hours=24)  # counted from the last byte that came, or from the end
_OPEN = (TusUpload.State.RECEIVING, TusUpload.State.FINISHING)


@transaction.atomic
def create(user: Any, cluster: Cluster, file_name: str, length: int, actor: Actor) -> TusUpload:
    """Begin an upload; raise InvalidInput, BodyTooLarge, TooManyUploads or NoSpaceForPackage."""
    if length < 1:
        raise InvalidInput([Problem("Upload-Length", "must be at least 1", "必须大于 0")])
    if length > MAX_SIZE:
        raise BodyTooLarge("Upload-Length", limit=MAX_SIZE)
    get_user_model().objects.select_for_update().get(pk=user.pk)  # of two at the limit, one is over it
    living = TusUpload.objects.filter(state__in=_OPEN, expire_time__gt=timezone.now())
    mine = living.filter(user=user).count()
    if mine >= OPEN_PER_USER:
        raise TooManyUploads(count=mine)
    waiting = living.filter(state=TusUpload.State.RECEIVING).values_list("pk", "length")
    if lacks_space(length + sum(max(0, whole - upload_files.offset(uuid)) for uuid, whole in waiting)):
        raise NoSpaceForPackage("Upload-Length")
    upload = TusUpload.objects.create(
        user=user, cluster=cluster, file_name=file_name, length=length, expire_time=timezone.now() + LIFE
    )
    record(actor, "upload.create", f"upload {upload.pk} {file_name}")
    return upload


def find(user: Any, uuid: UUID) -> TusUpload:
    """Return an upload of this user, or raise UploadNotFound. One query."""
    upload = TusUpload.objects.filter(user=user, pk=uuid, expire_time__gt=timezone.now()).first()
    if upload is None:
        raise UploadNotFound
    return upload


def offset(upload: TusUpload) -> int:
    """Return how many of its bytes are here."""
    receiving = upload.state == TusUpload.State.RECEIVING
    return min(upload.length, upload_files.offset(upload.pk)) if receiving else upload.length


def append(
    user: Any, uuid: UUID, start: int, count: int, checksum: Checksum | None, read: Callable[[int], bytes]
) -> tuple[TusUpload, int]:
    """Take `count` bytes from `start` on; return the upload and how many came. The database connection is given
    back while they come, and the file stays locked."""
    find(user, uuid)
    with upload_files.held(uuid, create=True) as file:
        upload = find(user, uuid)  # as it is under the lock
        if upload.state != TusUpload.State.RECEIVING:
            raise UploadOver(state=upload.state)
        if start != file.length:
            raise UploadOffsetWrong("Upload-Offset", offset=file.length, sent=start)
        if count > upload.length - start:
            raise BodyTooLarge("Content-Length", limit=upload.length - start)
        if count and lacks_space(count):
            raise NoSpaceForPackage
        connection.close()  # a body that stalls holds a thread, never a database connection
        came = file.append(read, count, checksum)
        upload.expire_time = timezone.now() + LIFE
        if file.length == upload.length:
            upload.state = TusUpload.State.FINISHING
        # An upload that was ended by its user's removal stays ended.
        TusUpload.objects.filter(pk=uuid).update(expire_time=upload.expire_time, state=upload.state)
    return upload, came


def end(user: Any, uuid: UUID, actor: Actor) -> None:
    """End an upload and forget its bytes; a package that was made of it stays."""
    upload = find(user, uuid)
    with upload_files.held(uuid, create=True):
        with transaction.atomic():
            if not TusUpload.objects.filter(pk=uuid).delete()[0]:
                raise UploadNotFound
            record(actor, "upload.remove", f"upload {uuid} {upload.file_name}")
        upload_files.forget(uuid)


def shown(upload: TusUpload) -> dict[str, Any]:
    """Return an upload as the API shows it."""
    return {
        "upload_uuid": str(upload.pk),
        "cluster_uuid": str(upload.cluster_id),
        "file_name": upload.file_name,
        "length": upload.length,
        "offset": offset(upload),
        "state": upload.state,
        "scode": upload.scode,
        "message": upload.message,
        "message_cn": upload.message_cn,
        "package_name": upload.package.package_name if upload.package else "",
        "create_time": int(upload.create_time.timestamp()),
        "expire_time": int(upload.expire_time.timestamp()),
    }


def own(user: Any, page: Page) -> dict[str, Any]:
    """Return a user's uploads, newest first. Queries: count, page."""
    rows = TusUpload.objects.filter(user=user, expire_time__gt=timezone.now(), file_name__icontains=page.name)
    return page.cut(rows.select_related("package").order_by("-create_time", "pk"), shown)


def look() -> None:
    """Check what is whole; so cheap where nothing is uploaded that it can be done many times a second."""
    if any(upload_files.folder().iterdir()):
        finish_all()


def finish_all() -> None:
    """Check every upload whose last byte is here, and take its package in. The leader's job; safe to repeat."""
    for upload in TusUpload.objects.filter(state__in=_OPEN).select_related("cluster", "user").order_by("create_time"):
        # One whose last request was killed between its last byte and its row is still `receiving`.
        if upload.state == TusUpload.State.FINISHING or offset(upload) == upload.length:
            try:
                _finish(upload)
            except UploadBusy:
                continue
            except NoSpaceForPackage:
                log.warning("the disk is too full to take upload %s in; trying again", upload.pk)


def _finish(upload: TusUpload) -> None:
    try:
        with upload_files.held(upload.pk) as file:
            if not TusUpload.objects.filter(pk=upload.pk, state__in=_OPEN).exists():
                return  # somebody else was faster
            if file.length != upload.length:
                raise UploadLost
            TusUpload.objects.filter(pk=upload.pk).update(state=TusUpload.State.FINISHING)
            actor = Actor(upload.user.get_username(), "api")

            def accepted(package: UpgradePackage) -> None:
                _close(upload, state=TusUpload.State.ACCEPTED, package=package)

            try:
                Intake.adopt(upload.file_name, file.path, file.file).finish(upload.cluster, actor, accepted)
            except NoSpaceForPackage:
                raise
            except SysmgrError as error:
                _refuse(upload, error)
            upload_files.forget(upload.pk)
    except (UploadLost, UploadNotFound):
        _refuse(upload, UploadLost())


@transaction.atomic
def _refuse(upload: TusUpload, error: SysmgrError) -> None:
    """Say why an upload became no package."""
    told = {"scode": error.scode, "message": error.text[:1024], "message_cn": error.text_cn[:1024]}
    if not _close(upload, state=TusUpload.State.REFUSED, **told):
        return
    name = upload.file_name
    emit(
        "package.refused",
        upload.pk,
        f"the upload {name} was refused: {error.text}",
        f"上传 {name} 被拒绝：{error.text_cn}",
        cluster_uuid=upload.cluster_id,
        severity="warning",
    )
    record(Actor(upload.user.get_username(), "api"), "package.accept", f"upload {upload.pk} {name}", result="refused")


def _close(upload: TusUpload, **told: Any) -> bool:
    """Move an open upload to its end, once."""
    told["expire_time"] = timezone.now() + LIFE
    return bool(TusUpload.objects.filter(pk=upload.pk, state__in=_OPEN).update(**told))


def expire() -> None:
    """Forget uploads that nobody went on with, the ends of old ones, and files that killed processes left."""
    finish_all()  # also those whose file is gone, which `look` does not see
    # What waits to be checked is not late: its user has done all there is to do.
    late = TusUpload.objects.filter(~Q(state=TusUpload.State.FINISHING), expire_time__lte=timezone.now())
    for uuid in list(late.values_list("pk", flat=True)):
        _forget(uuid, late)
    for path in upload_files.folder().iterdir():
        owner = StrictUUIDField.parse(path.name.removesuffix(".unproven"))
        if owner is None or not TusUpload.objects.filter(pk=owner, state__in=_OPEN).exists():
            _sweep(path, owner)


def _forget(uuid: UUID, late: Any) -> None:
    try:
        with upload_files.held(uuid, create=True):
            if late.filter(pk=uuid).delete()[0]:
                upload_files.forget(uuid)
    except (UploadBusy, UploadNotFound):
        return


def _sweep(path: Path, owner: UUID | None) -> None:
    """Remove a file without an open upload: uploads are begun with their row, so none will come."""
    if owner is None:  # a draft of `write_whole`, perhaps under way
        if path.stat().st_mtime < time.time() - LIFE.total_seconds():
            path.unlink(missing_ok=True)
        return
    try:
        with upload_files.held(owner, create=True):
            if not TusUpload.objects.filter(pk=owner, state__in=_OPEN).exists():
                upload_files.forget(owner)
    except (UploadBusy, UploadNotFound):
        return
