"""The harness: one real `manage.py serve` in a data directory of its own, driven over HTTP and by signals."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg2

from tests.server.processes import children, command, until

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
LIVING: list[Product] = []
_PREPARE = "from sysmgr.management import setup_steps as s; s.call_command('migrate', verbosity=0); s.static_files()"


def server_url() -> str:
    """Return the PostgreSQL server that the suite runs on; empty on SQLite."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith("postgres") else ""


def free_port() -> int:
    """Return a port that is free now; somebody else may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what the test run put there."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("SYSMGR_", "PYTEST_", "COV_"))}
    for name in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE", "TZ"):
        mine.pop(name, None)
    return {**mine, **variables}


@contextlib.contextmanager
def database(template: str = "template1") -> Iterator[dict[str, str]]:
    """Make a database on the suite's PostgreSQL and drop it at the end; yield the variables that name it."""
    url = server_url()
    if not url:
        yield {}
        return
    name = f"server_{secrets.token_hex(8)}"
    _on_server(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield {"DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}
    finally:
        _on_server(url, f"DROP DATABASE {name} WITH (FORCE)")


def _on_server(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()


@functools.cache
def prepared() -> tuple[Path, str]:
    """Migrate and collect once for all products that are not about a first start: (data directory, database's name)."""
    lasting = contextlib.ExitStack()
    folder = Path(lasting.enter_context(tempfile.TemporaryDirectory(prefix="sysmgr-prepared-")))
    named = lasting.enter_context(database())
    atexit.register(lasting.close)
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", _PREPARE],
        cwd=ROOT,
        env=clean_environment(**named, SYSMGR_DATA_DIR=str(folder)),
        check=True,
        timeout=100,
    )
    return folder, named.get("DATABASE_URL", "").rpartition("/")[2]


class Product:
    """A server, its data directory, and a client that has logged in."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        self.variables = dict(variables)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._token = ""
        self.client = httpx.Client(timeout=40, trust_env=False)
        LIVING.append(self)

    # Running it

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment of the server and of commands beside it."""
        own = {"SYSMGR_DATA_DIR": str(self.data), "SYSMGR_BIND": f"127.0.0.1:{self.port}"}
        return clean_environment(**{**own, **self.variables, **variables})

    def launch(self, *words: str, cwd: Path = ROOT) -> subprocess.Popen[bytes]:
        """Start the server (or `words`) in a session of its own and do not wait for it."""
        with self.log.open("ab") as log, (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                words or (sys.executable, "manage.py", "serve"),
                cwd=cwd,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def start(self) -> None:
        """Start the server and wait until it is ready; on another port when somebody took this one."""
        for _ in range(3):
            self.launch()
            if self.wait_ready():
                return
            self.port = free_port()
        raise AssertionError("no free port in three tries")

    def wait_ready(self) -> bool:
        """Wait for /readyz; False when the server ended because its port is taken."""
        until("ready", lambda: self.is_ready() or self.launched().poll() is not None, READY_SECONDS)
        if self.launched().poll() is None:
            return True
        assert "can't listen on" in self.errors(), f"the server ended:\n{self.errors()[-4000:]}"
        self.log.write_text("")
        return False

    def is_ready(self) -> bool:
        """Whether /readyz says yes now."""
        try:
            return self.client.get(f"{self.base}/readyz", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def said(self) -> list[str]:
        """Return the lines that the server printed, once it has announced itself."""
        return until("four lines", lambda: (lines := self.printed())[3:] and lines, 20)

    def printed(self) -> list[str]:
        """Return the lines on the server's standard output."""
        return (self.folder / "out").read_text().splitlines()

    def errors(self) -> str:
        """Return what the server wrote to standard error."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def manage(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` beside the server."""
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    def terminate(self) -> int:
        """Send SIGTERM to the server; return its exit code."""
        self.launched().send_signal(signal.SIGTERM)
        return self.launched().wait(timeout=20)

    def kill_all(self) -> None:
        """`kill -9` the server and all its children at once."""
        server = self.launched()
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=10)

    def close(self) -> None:
        """End all that was started here, whatever happened."""
        LIVING.remove(self)
        self.client.close()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)

    def launched(self) -> subprocess.Popen[bytes]:
        """Return the process that was started last."""
        assert self.process is not None, "the server was never started"
        return self.process

    # Its parts

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.launched().pid

    def manager(self) -> int:
        """Return the manager's process id, or 0."""
        return next((pid for pid in children(self.pid) if "run_manager" in command(pid)), 0)

    def web(self) -> int:
        """Return the process id of granian's main process, or 0."""
        return next((pid for pid in children(self.pid) if "granian" in command(pid)), 0)

    def workers(self) -> list[int]:
        """Return the process ids of the web workers."""
        return [pid for pid in children(self.web()) if "resource_tracker" not in command(pid)] if self.web() else []

    def parts(self) -> list[int]:
        """Return every process of the server but itself."""
        return [*children(self.pid), *self.workers()]

    # Its API

    @property
    def base(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def password(self) -> str:
        """Return the first password."""
        return (self.data / "initial-admin-password").read_text().strip()

    def log_in(self) -> dict[str, Any]:
        """Log in as admin; return the answer's data."""
        body = {"user": "admin", "password": self.password()}
        answer = self.client.post(f"{self.base}/v1/authentication/login", json=body)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        self._token = data["token"]
        return data

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to `/v1/system/<path>` with the token of the administrator."""
        if not self._token:
            self.log_in()
        headers = {"Authorization": f"Bearer {self._token}"}
        return self.client.request(method, f"{self.base}/v1/system/{path}", headers=headers, **options)

    def get(self, path: str, **query: str) -> Any:
        """Return the `data` of a GET that must succeed."""
        return self._data(self.request("GET", path, params=query))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the `data` of a POST that must succeed."""
        return self._data(self.request("POST", path, json=body))

    def upload(self, package: Path) -> Any:
        """Take a package in through the multipart upload."""
        with package.open("rb") as file:
            return self._data(self.request("POST", "upgrade_package/upload", files={"file": (package.name, file)}))

    @staticmethod
    def _data(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, f"{answer.request.url}: {answer.status_code} {answer.text}"
        return answer.json()["data"]


@contextlib.contextmanager
def product(*, started: bool = True, bare: bool = False, **variables: str) -> Iterator[Product]:
    """Make a product, `bare` or with migrations and static files done, and clean up."""
    folder = Path(tempfile.mkdtemp(prefix="sysmgr-server-"))
    try:
        source, template = (None, "") if bare else prepared()
        with database(template or "template1") as named:
            # On PostgreSQL the next leader waits for the end of a killed one's lease.
            short = {"SYSMGR_LEASE_TTL_SECONDS": "9"} if named else {}
            made = Product(folder, **{**short, **named, **variables})
            if source is not None:
                lay(source, made.data)
            try:
                if started:
                    made.start()
                yield made
            finally:
                made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def lay(source: Path, data: Path) -> None:
    """Lay what was prepared into a data directory; keys and passwords stay its own."""
    data.mkdir(mode=0o700)
    for name in ("sysmgr.sqlite3", "static.stamp"):
        if (source / name).exists():
            shutil.copy2(source / name, data)
    shutil.copytree(source / "static", data / "static", copy_function=os.link)
