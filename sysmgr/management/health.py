"""What `doctor` looks at: each check says how it stands and what to do."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from cluster.clock import database_now
from cluster.members import member_list
from sysmgr import env, jobs
from sysmgr.accounts.models import User
from sysmgr.accounts.passwords import first_password_files
from sysmgr.api import proxies
from sysmgr.audit import triggers
from sysmgr.events.models import Alert
from sysmgr.management import retention
from upgrades import backup_retention

OK, WARNING, FAILED = "ok", "warning", "failed"
LEAST_FREE = 1024 * 1024 * 1024
_MANAGER_CONNECTIONS = 3  # and one for each periodic job
_MOST_SKEW_SECONDS = 2.0


@dataclass(frozen=True)
class Finding:
    """One line of `doctor`."""

    check: str
    state: str
    text: str
    hint: str = ""


def examine() -> Iterator[Finding]:
    """Run every check; one that can't run because the database is away says so."""
    checks: dict[str, Callable[[], Finding]] = {
        "database": _database,
        "migrations": _migrations,
        "keys": _keys,
        "disk": _disk,
        "clock": _clock,
        "leader": _leader,
        "connections": _connections,
        "static files": _static,
        "password": _password,
        "switches": _switches,
        "rows": _rows,
        "backups": _backups,
        "proxies": _proxies,
        "audit": _audit,
    }
    for name, check in checks.items():
        try:
            yield check()
        except DatabaseError:
            yield Finding(name, FAILED, "the database does not answer", "Check DATABASE_URL and the server behind it.")


def _database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding("database", OK, f"{connection.vendor} answers")


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        return Finding("migrations", FAILED, f"{missing} are not applied", "Run `manage.py migrate` or `make run`.")
    return Finding("migrations", OK, "all are applied")


def _keys() -> Finding:
    folder = env.DATA_DIR / "keys"
    open_files = [path.name for path in sorted(folder.glob("*")) if _others_may_read(path)]
    if not (folder / "django-secret").exists():
        return Finding("keys", FAILED, f"{folder} has no keys", "Run `make run` once, or restore them from a backup.")
    if open_files:
        hint = f"Run `chmod 600` on them in {folder}."
        return Finding("keys", FAILED, f"others may read {', '.join(open_files)}", hint)
    return Finding("keys", OK, "there, and private")


def _others_may_read(path: Path) -> bool:
    # A certificate is public; everything else in this folder is a secret.
    return path.name != "tls-certificate.pem" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _disk() -> Finding:
    free = shutil.disk_usage(env.DATA_DIR).free
    text = f"{free // (1024 * 1024)} MiB are free below {env.DATA_DIR}"
    if free < LEAST_FREE:
        return Finding("disk", WARNING, text, "Make room: packages, backups and the database need it.")
    return Finding("disk", OK, text)


def _clock() -> Finding:
    skew = abs(database_now().timestamp() - time.time())
    if skew > _MOST_SKEW_SECONDS:
        hint = "Run a time service on both machines; leases go by the database's clock."
        return Finding("clock", WARNING, f"differs by {skew:.1f} s from the database's", hint)
    return Finding("clock", OK, "agrees with the database's")


def _leader() -> Finding:
    members = member_list()
    if not members["ready"]:
        return Finding("leader", FAILED, "nobody leads", "Start `make run` or `manage.py run_manager`.")
    return Finding("leader", OK, f"{members['leader']} leads, {len(members['candidates'])} alive")


def _connections() -> Finding:
    wanted = env.WEB_WORKERS * env.WEB_THREADS + _MANAGER_CONNECTIONS + len(jobs.registered())
    if connection.vendor != "postgresql":
        return Finding("connections", OK, f"{connection.vendor} has no bound")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('max_connections')::int")
        most = int(cursor.fetchone()[0])
    if wanted >= most:
        hint = "Lower SYSMGR_WEB_WORKERS or SYSMGR_WEB_THREADS, or raise max_connections (for all replicas)."
        return Finding("connections", FAILED, f"up to {wanted} may be asked for, {most} are given", hint)
    return Finding("connections", OK, f"up to {wanted} of {most}")


def _static() -> Finding:
    if not Path(settings.STATIC_ROOT, "admin").is_dir():
        return Finding("static files", FAILED, "are not collected", "Run `make run` or `manage.py collectstatic`.")
    return Finding("static files", OK, "are there")


def _password() -> Finding:
    if files := first_password_files():
        hint = "Change that user's password (in the admin, or `manage.py changepassword <user>`); the file goes then."
        return Finding("password", WARNING, f"a first one still lies in {', '.join(map(str, files))}", hint)
    return Finding("password", OK, "no first password lies about")


def _switches() -> Finding:
    marked = User.objects.exclude(legacy_password="").count()
    troubles = []
    if env.REVEAL_SECRETS:
        hint = "Unset SYSMGR_REVEAL_SECRETS as soon as no client needs it; each reveal is in the audit."
        troubles.append(("administrators are shown stored passwords in clear", hint))
    if env.LEGACY_LOGIN:
        hint = "Unset SYSMGR_LEGACY_LOGIN as soon as no client needs it; the marks go with the next change of password."
        troubles.append((f"the MD5 of the password opens the API for {marked} users", hint))
    elif marked:
        hint = "It opens nothing while SYSMGR_LEGACY_LOGIN is off, and goes with the user's next change of password."
        troubles.append((f"a hash of the password's MD5 is kept for {marked} users (`user_list` names them)", hint))
    if troubles:
        said, hints = zip(*troubles, strict=True)
        return Finding("switches", WARNING, "; ".join(said), " ".join(hints))
    on = [name for name, is_on in (("ALWAYS_200", env.ALWAYS_200), ("LENIENT_KEYS", env.LENIENT_KEYS)) if is_on]
    return Finding("switches", OK, f"on for old clients: {', '.join(on)}" if on else "none is on for old clients")


def _rows() -> Finding:
    return Finding("rows", OK, retention.told())


def _backups() -> Finding:
    return Finding("backups", OK, backup_retention.told())


def _proxies() -> Finding:
    alert = Alert.objects.filter(key=proxies.ALERT, close_time=None).first()
    if alert is not None:
        return Finding("proxies", WARNING, alert.message, "The header is ignored until then.")
    trusted = ", ".join(sorted(env.TRUSTED_PROXIES)) or "none"
    return Finding("proxies", OK, f"trusted: {trusted}; nobody else sends X-Forwarded-For")


def _audit() -> Finding:
    if missing := triggers.missing():
        hint = "Restart the service, which puts them back, and run `manage.py audit_verify`."
        return Finding("audit", FAILED, f"rows can be changed: the database lacks {', '.join(missing)}", hint)
    return Finding("audit", OK, "the database refuses to change or remove rows")
