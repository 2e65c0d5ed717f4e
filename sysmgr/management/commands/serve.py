"""`manage.py serve`: set up what is missing, then run web and manager until told to stop."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import resource
import shlex
import signal
import socket
import ssl
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

from django.core.management.base import CommandError
from django.db import DatabaseError, connection

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts.passwords import first_password_file
from sysmgr.commands import SysmgrCommand
from sysmgr.management import setup_steps, tls
from sysmgr.management.supervisor import Child, stop_all

HEADER_MILLISECONDS = 10_000  # from the first byte of a request to the end of its headers
RESTART_GRACE_SECONDS = 6.0  # the workers of a killed server may need 4 s to end


def _connections() -> int:
    """Return how many connections a worker may hold; each one that idles or stalls costs a descriptor, no thread.

    The limit of descriptors is raised as far as may be: children inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return 4096 if soft == resource.RLIM_INFINITY else max(128, min(4096, soft // 2))


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Set up what is missing, then serve the API and the admin and run the manager, in the foreground.\n"
        "Example: SYSMGR_BIND=127.0.0.1:8080 manage.py serve"
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        self._stopping = self._serving = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        lock = self._lock()
        self._check_port()
        try:
            setup_steps.set_up()
            self._demo = Cluster.objects.filter(demo=True).exists()
            pid_files = self._write_pid_files()
        except DatabaseError as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"the database can't be used, check DATABASE_URL: {reason}") from None
        except OSError as error:
            raise CommandError(f"can't write below {env.DATA_DIR} ({error.strerror}); set SYSMGR_DATA_DIR") from None
        connection.close()
        self._serving = True
        children = [Child("web", self._web()), Child("manager", self._manager())]
        try:
            self._supervise(children)
        finally:
            stop_all(children)
            for path in pid_files:
                if path.exists() and path.read_text().strip() == str(os.getpid()):
                    path.unlink()
            if lock:
                lock.close()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        if not self._serving:
            # Set-up may wait for another replica's, and each of its steps is safe to repeat.
            raise SystemExit(0)

    def _lock(self) -> IO[str] | None:
        """On SQLite there is exactly one server; children of a killed one get some seconds to end."""
        if connection.vendor != "sqlite":
            return None
        try:
            env.DATA_DIR.mkdir(parents=True, exist_ok=True)
            handle = Path(f"{connection.settings_dict['NAME']}.server.lock").open("a")  # noqa: SIM115
        except OSError as error:
            variable = "DATABASE_URL" if os.environ.get("DATABASE_URL") else "SYSMGR_DATA_DIR"
            raise CommandError(f"can't write {error.filename} ({error.strerror}); set {variable}") from None
        deadline = time.monotonic() + 1
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            except OSError:
                if time.monotonic() > deadline:
                    hint = "stop it first, or set SYSMGR_DATA_DIR or DATABASE_URL"
                    raise CommandError(f"another sysmgr serves this SQLite database: {hint}") from None
                time.sleep(0.1)

    def _check_port(self) -> None:
        family = socket.AF_INET6 if ":" in env.BIND_HOST else socket.AF_INET
        deadline = time.monotonic() + RESTART_GRACE_SECONDS
        while True:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((env.BIND_HOST, env.BIND_PORT))
                    return
                except OSError as error:
                    if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                        reason = error.strerror
                        raise CommandError(f"can't listen on {env.BIND} ({reason}); set SYSMGR_BIND") from None
            time.sleep(0.2)

    def _write_pid_files(self) -> list[Path]:
        paths = [env.DATA_DIR / "sysmgr.pid"]
        if connection.vendor == "postgresql":
            paths.append(env.DATA_DIR / f"sysmgr-{env.ADDRESS}.pid")
        for path in paths:
            path.write_text(f"{os.getpid()}\n")
        return paths

    def _web(self) -> list[str]:
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", env.BIND_HOST]
        command += ["--port", str(env.BIND_PORT), "--workers", str(env.WEB_WORKERS)]
        command += ["--blocking-threads", str(env.WEB_THREADS), "--backpressure", str(_connections())]
        command += ["--http1-header-read-timeout", str(HEADER_MILLISECONDS)]
        command += ["--log-level", "error", "--workers-kill-timeout", "4", "--respawn-failed-workers"]
        if env.USES_TLS:
            certificate, key = tls.certificate()
            command += ["--ssl-certificate", str(certificate), "--ssl-keyfile", str(key)]
        return [*command, "sysmgr.wsgi:application"]

    def _manager(self) -> list[str]:
        return [sys.executable, str(env.BASE_DIR / "manage.py"), "run_manager", "--supervised", str(os.getpid())]

    def _supervise(self, children: list[Child]) -> None:
        announced = False
        while not self._stopping:
            for child in children:
                child.keep()
            if not announced and self._ready():
                announced = True
                self._announce()
            time.sleep(0.1 if not announced else 0.5)

    def _ready(self) -> bool:
        host = "127.0.0.1" if env.BIND_HOST in ("0.0.0.0", "") else env.BIND_HOST  # noqa: S104
        plain = http.client.HTTPConnection(host, env.BIND_PORT, timeout=1)
        # Our own certificate, asked on our own address: who answers is not in question, only whether.
        unverified = ssl._create_unverified_context()
        secure = http.client.HTTPSConnection(host, env.BIND_PORT, timeout=1, context=unverified)
        probe = secure if env.USES_TLS else plain
        try:
            probe.request("GET", "/readyz", headers={"Host": "localhost"})
            return probe.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            probe.close()

    def _announce(self) -> None:
        self.stdout.write(f"address        {env.PUBLIC_URL}/admin/")
        self.stdout.write("user           admin")
        self.stdout.write(f"password file  {first_password_file()}")
        if self._demo:
            self.stdout.write(f"first upgrade  {self._command('upgrade 10.30.12.55 storage')}")
        else:
            self.stdout.write(f"first check    {self._command('doctor')}")
        if env.USES_TLS and not env.TLS_CERT_FILE:
            self.stderr.write(f"self-signed certificate, SHA-256 {tls.fingerprint(tls.certificate()[0])}")
        self.stdout.flush()

    def _command(self, words: str) -> str:
        """Return a command to paste here. DATABASE_URL may hold a password and is never shown."""
        python, manage = (os.path.relpath(path) for path in (sys.executable, env.BASE_DIR / "manage.py"))
        given = "" if env.DATA_DIR == env.BASE_DIR / "var" else f"SYSMGR_DATA_DIR={shlex.quote(str(env.DATA_DIR))} "
        return f"{given}{shlex.quote(python)} {shlex.quote(manage)} {words}"
