"""Secrets at rest: a lazily opened value and the model field that stores it encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.core.exceptions import FieldError
from django.db import models

from sysmgr import env
from sysmgr.files import write_whole

MASK = "********"
_PREFIX = "enc:1:"
_NAME = "field-keys"
_read: tuple[tuple[Path, int, int], MultiFernet] | None = None


def keys_file() -> Path:
    """Return the file of the keys outside the database, one a line: the first one writes, all of them read."""
    return env.DATA_DIR / "keys" / _NAME


def read_keys() -> list[str]:
    """Return the keys, the first one made at the first call."""
    return env.key_file(_NAME, new_key).split()


def new_key() -> str:
    """Return a new random key."""
    return Fernet.generate_key().decode()


def write_keys(keys: Sequence[str]) -> None:
    """Replace the list of keys, whole or not at all."""
    write_whole(keys_file(), "".join(f"{key}\n" for key in keys).encode())


def _fernet(*, fresh: bool = False) -> MultiFernet:
    """The keys, read again when their file changed: a rotation needs no restart of anybody."""
    global _read
    path = keys_file()
    try:
        facts = path.stat()
        stamp = (path, facts.st_ino, facts.st_mtime_ns)
    except OSError:
        if _read is not None and _read[0][0] == path:
            return _read[1]  # out of sight for a moment: what was read still holds
        stamp = (path, 0, 0)  # not made yet
    if fresh or _read is None or _read[0] != stamp:
        _read = stamp, MultiFernet([Fernet(key) for key in read_keys()])
    return _read[1]


class SecretUnreadable(Exception):
    """The stored secret was written with a key that is not in `<data dir>/keys/field-keys`."""


class Secret:
    """A secret that is opened only where it is used; its text form is the mask."""

    def __init__(self, *, stored: str = "", clear: str | None = None) -> None:
        self._stored = stored
        self._clear = clear

    def reveal(self) -> str:
        """Return the clear text, or raise SecretUnreadable."""
        if self._clear is None:
            self._clear = self._open() if self._stored else ""
        return self._clear

    def _open(self) -> str:
        sealed = self._stored.removeprefix(_PREFIX).encode()
        try:
            return _fernet().decrypt(sealed).decode()
        except InvalidToken:
            pass
        try:  # A shared folder may show a replica the old file for some seconds; opening it shows the new one.
            return _fernet(fresh=True).decrypt(sealed).decode()
        except InvalidToken:
            raise SecretUnreadable("a stored secret was written with a key that is not here") from None

    def sealed(self) -> str:
        """Return what the database holds; empty stays empty."""
        if not self._stored and self._clear:
            self._stored = _PREFIX + _fernet().encrypt(self._clear.encode()).decode()
        return self._stored

    def resealed(self, key: str) -> Secret | None:
        """Return the secret sealed anew with `key`, None when it is sealed with that one; or raise SecretUnreadable."""
        fernet = Fernet(key)
        try:
            fernet.decrypt(self._stored.removeprefix(_PREFIX).encode())
        except InvalidToken:
            return Secret(stored=_PREFIX + fernet.encrypt(self.reveal().encode()).decode())
        return None

    def __bool__(self) -> bool:
        return bool(self._stored or self._clear)

    def __str__(self) -> str:
        return MASK if self else ""

    def __repr__(self) -> str:
        return f"<Secret {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return False
        try:
            return self.reveal() == other.reveal()
        except SecretUnreadable:
            return False  # Nobody can tell; a secret whose key is lost can then still be replaced.

    def __hash__(self) -> int:
        return hash(bool(self))


class SecretField(models.TextField):  # type: ignore[type-arg]
    """Text encrypted with keys that lie outside the database; loads as a `Secret`, never as clear text.

    Raising happens when a secret is used, not when its row loads: a lost key must not close every page.
    """

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Secret:
        """Wrap the stored text."""
        return Secret(stored=value or "")

    def to_python(self, value: Any) -> Secret:
        """Accept clear text or a Secret."""
        return value if isinstance(value, Secret) else Secret(clear=value or "")

    def get_prep_value(self, value: Any) -> str:
        """Return the sealed text."""
        return self.to_python(value).sealed()

    def value_to_string(self, obj: models.Model) -> str:
        """Serialise as sealed text."""
        return self.to_python(self.value_from_object(obj)).sealed()

    def get_lookup(self, lookup_name: str) -> Any:
        """Refuse comparisons: the same secret is stored differently each time."""
        if lookup_name != "isnull":
            raise FieldError("a SecretField can't be compared in the database")
        return super().get_lookup(lookup_name)
