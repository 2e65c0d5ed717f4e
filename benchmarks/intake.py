"""How long a package takes to come in, against what disk and digests need at the least: `python -m benchmarks.intake`.

The limit is one write of the file (synced), then sha256 and md5 of it by openssl side by side. All ways are measured
in turn in each round, so that what else the machine does falls on all of them; the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.server.processes import until
from tests.server.product import Product, product

MB = 1024 * 1024
BOUNDS = {"import": 1.6, "tus": 1.6, "multipart": 2.5}
MEMORY_MB = 32
_FILE_MB = 10
# What the command import_package does once it has started; it says how long it took and how much memory it grew by.
_IMPORT = """
import json, os, resource, sys, time
from pathlib import Path
os.environ["DJANGO_SETTINGS_MODULE"] = "sysmgr.settings"
import django
django.setup()
from cluster.selectors import find
from sysmgr.audit.services import SYSTEM
from upgrades.intake import import_file
cluster = find(None)
before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
import_file(cluster, Path(sys.argv[1]), SYSTEM)
spent = time.monotonic() - begun
print(json.dumps([spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""


def build(server: Product, folder: Path, megabytes: int) -> Path:
    """Build a package of so much that does not compress."""
    source, chance = folder / "source" / "storage", random.Random(7)
    source.mkdir(parents=True)
    for number in range(max(1, megabytes // _FILE_MB)):
        (source / f"file-{number}").write_bytes(chance.randbytes(min(megabytes, _FILE_MB) * MB))
    words = (
        sys.executable,
        "manage.py",
        "build_package",
        str(source.parent),
        "--release",
        "9.0",
        "--output",
        str(folder),
    )
    subprocess.run(words, env=server.environment(), check=True, stdout=subprocess.DEVNULL)
    return folder / "updatepackage_9.0.tar.gz"


def limit(package: Path, folder: Path) -> float:
    """Write the file once, then hash it twice at once; return the seconds."""
    target = folder / "limit"
    begun = time.monotonic()
    with package.open("rb") as source, target.open("wb") as file:
        while block := source.read(MB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    words = [("openssl", "dgst", f"-{name}", str(target)) for name in ("sha256", "md5")]
    hashing = [subprocess.Popen(each, stdout=subprocess.DEVNULL) for each in words]
    assert [process.wait() for process in hashing] == [0, 0]
    spent = time.monotonic() - begun
    target.unlink()
    return spent


def by_import(server: Product, package: Path, grown: dict[str, float]) -> float:
    """Take it in beside the server."""
    words = (sys.executable, "-c", _IMPORT, str(package))
    done = subprocess.run(words, env=server.environment(), check=True, capture_output=True, text=True)
    spent, grown["import"] = json.loads(done.stdout)
    return float(spent)


def by_multipart(server: Product, package: Path) -> float:
    """Send it as a form, in one request."""
    edge = "benchmark"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{package.name}"\r\n\r\n'.encode()
    tail = f"\r\n--{edge}--\r\n".encode()

    def body() -> Any:
        yield head
        with package.open("rb") as file:
            while block := file.read(MB):
                yield block
        yield tail

    size = len(head) + package.stat().st_size + len(tail)
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}", "Content-Length": str(size)}
    begun = time.monotonic()
    answer = _ask(server, "POST", "upload", headers, body())
    assert answer.status == 200, answer.read()
    return time.monotonic() - begun


def by_tus(server: Product, package: Path, chunk: int = 64 * MB) -> float:
    """Send it in parts, until the leader has taken it in."""
    size = package.stat().st_size
    spoken = {"Tus-Resumable": "1.0.0"}
    begun = time.monotonic()
    place = _ask(server, "POST", "tus", {**spoken, "Upload-Length": str(size)}).headers["Location"]
    path = place.removeprefix("/v1/system/upgrade_package/")
    with package.open("rb") as file:
        for start in range(0, size, chunk):
            count = min(chunk, size - start)
            kind = {"Content-Type": "application/offset+octet-stream", "Content-Length": str(count)}
            blocks = (file.read(min(MB, count - at)) for at in range(0, count, MB))
            answer = _ask(server, "PATCH", path, {**spoken, **kind, "Upload-Offset": str(start)}, blocks)
            assert answer.status == 204, answer.read()
    while (state := _ask(server, "HEAD", path, spoken).headers["Sysmgr-Upload-State"]) == "finishing":
        time.sleep(0.02)
    assert state == "accepted", state
    return time.monotonic() - begun


def _ask(server: Product, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    token = {"Authorization": str(server.client.headers["X-Bearer"])}
    connection.request(method, f"/v1/system/upgrade_package/{path}", body, {**headers, **token})
    answer = connection.getresponse()
    if method != "POST" or path == "tus":
        answer.read()
    return answer


def _memory(server: Product) -> dict[int, int]:
    """Return the memory in use (KiB) of each process of the server, and start counting its peak anew."""
    found = {}
    for pid in (*server.workers(), server.manager()):
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        found[pid] = _status(pid, "VmRSS")
    return found


def _status(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1])


def _peak(before: dict[int, int]) -> float:
    return max((_status(pid, "VmHWM") - used) / 1024 for pid, used in before.items())


def measure(megabytes: int, rounds: int) -> dict[str, Any]:
    """Measure all ways; return seconds, ratios and growth of memory."""
    spent: dict[str, list[float]] = defaultdict(list)
    grown: dict[str, list[float]] = defaultdict(list)
    with product() as server, tempfile.TemporaryDirectory(dir=server.folder) as scratch:
        folder = Path(scratch)
        server.client.headers["X-Bearer"] = f"Bearer {server.log_in()['token']}"
        until("all parts", lambda: server.manager() and server.workers(), 30)
        package = build(server, folder, megabytes)
        limit(package, folder)  # once for nothing: the package is in memory for all alike
        for _ in range(rounds):
            spent["limit"].append(limit(package, folder))
            memory: dict[str, float] = {}
            spent["import"].append(by_import(server, package, memory))
            grown["import"].append(memory["import"])
            server.post("upgrade_package/remove", {"package_name": package.name})
            ways: dict[str, Callable[[Product, Path], float]] = {"multipart": by_multipart, "tus": by_tus}
            for name, way in ways.items():
                before = _memory(server)
                spent[name].append(way(server, package))
                grown[name].append(_peak(before))
                server.post("upgrade_package/remove", {"package_name": package.name})
    medians = {name: statistics.median(values) for name, values in spent.items()}
    return {
        "megabytes": megabytes,
        "rounds": rounds,
        "seconds": {name: round(value, 3) for name, value in medians.items()},
        "ratios": {name: round(medians[name] / medians["limit"], 2) for name in BOUNDS},
        "bounds": BOUNDS,
        "memory_mb": {name: round(max(values), 1) for name, values in grown.items()},
        "memory_bound_mb": MEMORY_MB,
    }


def main() -> None:
    """Print the figures; exit with 1 when one is beyond its bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=340)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.megabytes, options.rounds)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"intake of {found['megabytes']} MB, median of {found['rounds']}: limit {found['seconds']['limit']} s")
        for name, bound in BOUNDS.items():
            grew = found["memory_mb"][name]
            print(
                f"{name:<10} {found['seconds'][name]:>7} s  {found['ratios'][name]:>5} x  (bound {bound})  +{grew} MiB"
            )
    beyond = [name for name, bound in BOUNDS.items() if found["ratios"][name] > bound]
    beyond += [f"memory of {name}" for name, grew in found["memory_mb"].items() if grew > MEMORY_MB]
    sys.exit(f"beyond its bound: {', '.join(beyond)}" if beyond else 0)


if __name__ == "__main__":
    main()
