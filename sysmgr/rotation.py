"""Rotating the key that encrypts secrets: at every moment the key file holds what each stored secret needs.

The order is the whole point. First the file gets the new key before the old ones, then all rows are sealed anew in
one transaction, and only a later `retire` takes the old keys away, once every row does without them. Replicas read
the file again when it changes.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models, transaction

from sysmgr import crypto, env
from sysmgr.audit.services import Actor, record
from sysmgr.errors import KeysChangedJustNow, RotationUnderWay, SecretsUnreadable

# So long a replica may still write with the keys that it saw before: shared folders show changes late.
RETIRE_AFTER_SECONDS = 60


@dataclass(frozen=True)
class Rotation:
    """What a rotation found and did."""

    secrets: int
    resealed: int
    keys: int
    retired: int = 0


def secret_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Yield (model, field name) of every encrypted field of every installed model."""
    for model in apps.get_models():
        for field in [] if model._meta.proxy else model._meta.local_concrete_fields:
            if isinstance(field, crypto.SecretField):
                yield model, field.attname


def rotate(actor: Actor, *, dry_run: bool = False) -> Rotation:
    """Have all secrets sealed with a new key; the old keys stay. A repetition finishes what was begun.

    Raises SecretsUnreadable, and then nothing was changed.
    """
    with _alone():
        count = _examine()
        keys = crypto.read_keys()
        if dry_run:
            return Rotation(count, 0, len(keys))
        if len(keys) == 1:
            keys = [crypto.new_key(), *keys]
            crypto.write_keys(keys)
        return Rotation(count, _reseal(actor, "secret_key.rotate", keys[0]), len(keys))


def retire(actor: Actor, *, dry_run: bool = False) -> Rotation:
    """Take all keys but the first away, after every secret does without them; a repetition changes nothing."""
    with _alone():
        count = _examine()
        keys = crypto.read_keys()
        if dry_run or len(keys) == 1:
            return Rotation(count, 0, len(keys))
        wait = RETIRE_AFTER_SECONDS - (time.time() - crypto.keys_file().stat().st_mtime)
        if wait > 0:
            raise KeysChangedJustNow(seconds=int(wait) + 1)
        resealed = _reseal(actor, "secret_key.retire", keys[0])
        crypto.write_keys(keys[:1])
        return Rotation(count, resealed, 1, len(keys) - 1)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of rotations; raise RotationUnderWay when another process has it."""
    with (env.DATA_DIR / "rotation.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RotationUnderWay from None
        yield


def _rows(model: type[models.Model], column: str) -> Iterator[tuple[Any, crypto.Secret]]:
    rows = model._base_manager.order_by("pk").values_list("pk", column)
    return ((pk, secret) for pk, secret in rows if secret)


def _examine() -> int:
    """Return how many secrets are stored; raise SecretsUnreadable naming where one can't be read."""
    count, broken = 0, []
    for model, column in secret_columns():
        for pk, secret in _rows(model, column):
            count += 1
            try:
                secret.reveal()
            except crypto.SecretUnreadable:
                broken.append(f"{model._meta.label} {pk}.{column}")
    if broken:
        told = ", ".join(broken[:5]) + (" …" if len(broken) > 5 else "")
        raise SecretsUnreadable(count=len(broken), places=told)
    return count


@transaction.atomic
def _reseal(actor: Actor, action: str, key: str) -> int:
    """Seal every secret that another key sealed with `key`; return how many there were."""
    count = 0
    for model, column in secret_columns():
        for pk in list(model._base_manager.select_for_update().order_by("pk").values_list("pk", flat=True)):
            secret: crypto.Secret = model._base_manager.values_list(column, flat=True).get(pk=pk)
            anew = secret.resealed(key) if secret else None
            if anew is not None:
                model._base_manager.filter(pk=pk).update(**{column: anew})
                count += 1
    record(actor, action, "secret key", changes=[{"path": "secrets", "from": None, "to": count}])
    return count
