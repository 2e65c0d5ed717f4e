"""Set-up: everything that a first start needs, each step safe to repeat."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from sysmgr import build, env
from sysmgr.accounts.models import Role, User
from sysmgr.accounts.passwords import first_password_file
from sysmgr.audit.services import Actor, record
from sysmgr.management import demo
from upgrades import intake

ACTOR = Actor("system", "command")


def set_up() -> None:
    """Migrate, make the first administrator, the demo cluster and the static files; one process at a time."""
    env.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with (env.DATA_DIR / "setup.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command("migrate", verbosity=0, interactive=False)
        intake.sweep()
        first_administrator()
        if env.DEMO:
            demo.set_up(ACTOR)
        static_files()


@transaction.atomic
def first_administrator() -> None:
    """Make `admin` once per database; the random password lies in a file until it is changed."""
    if User.objects.exists():
        return
    password = secrets.token_urlsafe(18)
    user = User.objects.create_user("admin", password, role=Role.ADMINISTRATOR)
    _write_private(first_password_file(), password + "\n")
    record(ACTOR, "user.create", f"user {user.user_name}")


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def static_files() -> None:
    """Collect static files, again only when the build changed."""
    stamp = env.DATA_DIR / "static.stamp"
    build_name = build.version_line()
    if stamp.exists() and stamp.read_text() == build_name and Path(settings.STATIC_ROOT).is_dir():
        return
    call_command("collectstatic", verbosity=0, interactive=False)
    stamp.write_text(build_name)
