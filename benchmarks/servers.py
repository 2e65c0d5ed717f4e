"""Serving the baselines: the same server as the product's, with as many processes and threads."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from tests.server.product import free_port

ROOT = Path(__file__).resolve().parents[1]
WORKERS, THREADS = 2, 36
START_SECONDS = 60


@contextlib.contextmanager
def granian(target: str, interface: str, path: str, environment: Mapping[str, str], token: str = "") -> Iterator[int]:
    """Serve `target`; yield its port once `path` answers 200."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", interface, "--port", str(port), "--log-level", "error"]
    command += ["--workers", str(WORKERS), "--workers-kill-timeout", "2"]
    command += ["--blocking-threads", str(THREADS)] if interface == "wsgi" else []
    process = subprocess.Popen([*command, target], cwd=ROOT, env={**os.environ, **environment})
    try:
        _wait(process, port, path, token)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _wait(process: subprocess.Popen[bytes], port: int, path: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=5, trust_env=False)
            if answer.status_code == 200:
                return
            if answer.status_code < 500:
                raise SystemExit(f"a baseline answered {answer.status_code}: {answer.text[:200]}")
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the baseline at {path} did not start")
        time.sleep(0.1)
