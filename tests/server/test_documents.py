"""What the documents tell to type does what they say: their own lines, in a real shell, against the running product."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.server.processes import until
from tests.server.product import ROOT, Product, product


def script(document: str, end: str = "", **places: str) -> str:
    """Return the lines to type of a document, up to the heading `end`, at this test's places, without those that
    start the product."""
    told = (ROOT / "docs" / document).read_text()
    assert end in told
    blocks = re.findall(r"(?:^ {4}.*\n)+", told.partition(end)[0] if end else told, re.MULTILINE)
    text = "\n".join(re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in blocks if "make run" not in block)
    for written, place in places.items():
        text = text.replace(written, place)
    return text


def follow(made: Product, text: str, folder: Path) -> list[str]:
    """Run the lines; return what they printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=made.environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_metrics_and_the_support_bundle_come_through_the_real_server(server: Product) -> None:
    token = {"Authorization": f"Bearer {server.log_in()['token']}"}
    shown = server.client.get(f"{server.base}/metrics", headers=token)
    assert (shown.status_code, "sysmgr_leader 1.0" in shown.text.splitlines()) == (200, True)
    assert server.client.get(f"{server.base}/metrics").status_code == 401
    bundle = server.request("POST", "support_bundle/create", json={})
    assert (bundle.status_code, bundle.headers["Content-Type"]) == (200, "application/gzip")
    with tarfile.open(fileobj=io.BytesIO(bundle.content), mode="r:gz") as archive:
        assert any(name.endswith("/doctor.json") for name in archive.getnames())


@pytest.mark.alike
def test_the_first_cluster_with_a_folder_as_its_host(tmp_path: Path) -> None:
    with product(SYSMGR_DEMO="false", SYSMGR_LOCAL_ROOTS=str(tmp_path / "hosts")) as made:
        places = {
            "http://127.0.0.1:8000": made.base,
            "/srv/hosts": str(tmp_path / "hosts"),
            "var/": f"{made.data}/",
            ".venv/bin/python manage.py": f"{shlex.quote(sys.executable)} {ROOT}/manage.py",
        }
        (tmp_path / "hosts").mkdir()
        printed = follow(made, script("hosts.md", "## A host over SSH", **places), tmp_path)
        refused = [line for line in printed if '"scode":' in line and '"scode":0' not in line]
        assert refused == []
        assert "releases/2.0" in printed
        # The last line asked for a rollback, which goes on by itself.
        until("the rollback's end", lambda: made.get("host/inspect", host_ip="192.0.2.10")["held_by"] == "", 60)
        (host,) = made.get("host/list")["list"]
        storage = {"service_type": "storage", "version": "1.0", "unmanaged": False, "catch_up": ""}
        assert host["services"] == [storage]
        backups = made.get("compute/version/list", host_ip="192.0.2.10")["list"]
        assert [backup["version"] for backup in backups] == ["1.0", "2.0"]
        assert [row["name"] for row in made.get("cluster/list")["list"] if row["default"]] == ["site"]
