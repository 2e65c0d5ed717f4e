"""`host_import` and `host_export`: files in, files out, and the same again."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cluster.models import Cluster, Host
from sysmgr.audit.models import AuditRow
from tests.cluster.conftest import lay_out

pytestmark = pytest.mark.django_db(transaction=True)


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path, roots: Path) -> Path:
    lay_out(roots / "a", cloud="1.0")
    path = tmp_path / "hosts.csv"
    path.write_text(
        "host_ip,transport,root,services,labels,ssh_port\n"
        f"192.0.2.1,local,{roots / 'a'},cloud;storage,rack 1;old,\n"
        "192.0.2.2,ssh,/srv/x,compute,,2222\n",
        "utf-8-sig",
    )
    return path


def test_a_file_is_imported_exported_and_imported_again(cluster: Cluster, file: Path, tmp_path: Path) -> None:
    dry = json.loads(run("host_import", str(file), "--dry-run", "--json"))
    assert (dry["stored"], dry["created"]) == (False, 2)
    assert not Host.objects.exists()
    said = run("host_import", str(file))
    assert "192.0.2.2" in said and "2 created, 0 updated, 0 unchanged, 0 refused; stored" in said
    assert AuditRow.objects.filter(action="host.import", door="command").count() == 1
    for option, name in (((), "a.csv"), (("--json",), "a.json")):
        out = tmp_path / name
        out.write_text(run("host_export", *option))
        assert json.loads(run("host_import", str(out), "--json"))["unchanged"] == 2
    before: list[Any] = json.loads(run("host_export", "--json"))["list"]
    Host.objects.all().delete()
    run("host_import", str(tmp_path / "a.csv"))
    assert json.loads(run("host_export", "--json"))["list"] == before


def test_what_is_wrong_stores_nothing_and_exits_non_zero(cluster: Cluster, file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(file.read_text("utf-8-sig") + "nonsense,ssh,/srv/x,compute,,\n")
    with pytest.raises(CommandError, match="row 3 host_ip"):
        run("host_import", str(bad))
    with pytest.raises(CommandError, match="1 rows are refused"):
        run("host_import", str(bad), "--dry-run")
    assert not Host.objects.exists()
    with pytest.raises(CommandError, match="1 rows are refused"):
        run("host_import", str(bad), "--partial")
    assert Host.objects.count() == 2
    for text in ("", "[", "{}", "[]", "a,b\n"):
        bad.write_text(text)
        with pytest.raises(CommandError):
            run("host_import", str(bad))
    with pytest.raises(CommandError, match="can't read"):
        run("host_import", str(tmp_path / "missing"))
