"""Set-up: everything that a first start needs, each step safe to repeat."""

from __future__ import annotations

import fcntl
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from sysmgr import build, env
from sysmgr.accounts.models import Role, User
from sysmgr.accounts.password_rules import make_up
from sysmgr.accounts.passwords import keep_first_password
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
    password = make_up()
    user = User.objects.create_user("admin", password, role=Role.ADMINISTRATOR)
    keep_first_password(user, password)
    record(ACTOR, "user.create", f"user {user.user_name}")


def static_files() -> None:
    """Collect static files, again only when the build changed."""
    stamp = env.DATA_DIR / "static.stamp"
    build_name = build.version_line()
    if stamp.exists() and stamp.read_text() == build_name and Path(settings.STATIC_ROOT).is_dir():
        return
    call_command("collectstatic", verbosity=0, interactive=False, ignore_patterns=["*.map"])
    stamp.write_text(build_name)
