"""The spec: what a host keeps of a task, so that it can go on and go back by itself."""

from __future__ import annotations

from upgrades.backup_selectors import last_change
from upgrades.errors import StepFailed
from upgrades.models import UpgradeItem, UpgradeRun
from upgrades.package.manifest import Manifest

USAGE = 10


def spec_of(item: UpgradeItem, manifest: Manifest | None) -> bytes:
    """Return what the host keeps of an item's task: versions, files, hooks; `manifest` where a package comes, and then
    nothing is read. Else at most one query, and StepFailed where the backup that a restore needs is gone."""
    brought = manifest.spec_of(item.service_type) if manifest else "".join(f"{line}\n" for line in _source(item))
    return f"from {item.from_version}\nversion {item.to_version}\n{brought}.\n".encode()


def _source(item: UpgradeItem) -> list[str]:
    """Return which backup comes back, and which tasks on the host know the commands of both releases."""
    lines = []
    if item.run.kind != UpgradeRun.Kind.BACKUP:
        backup = item.source
        if backup is None or backup.remove_time is not None:  # a run that is tried again may come too late
            raise StepFailed(
                step="spec", host=item.host_ip, reason="the backup is there no more", code=USAGE, key="backup_gone"
            )
        lines.append(f"restore {backup.package_name} {backup.sha256}")
        lines += [f"made_by {backup.task}"] if backup.task else []
    last = last_change(item.host_id, item.service_type)
    return [*lines, f"runs_by {last.task}"] if last else lines
