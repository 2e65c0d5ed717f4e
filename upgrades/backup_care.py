"""Looking after backups: verifying one on its host, giving it up, and removing what was given up."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.audit.services import Actor, record
from sysmgr.errors import SysmgrError
from sysmgr.events.services import emit

from .backup_errors import BackupDamaged, BackupInUse, BackupIsWayBack, BackupNotFound
from .backup_hosts import ask
from .backup_selectors import find, is_way_back, kept, used_by
from .errors import StepFailed
from .models import Backup
from .trust import Fault

_DIGEST_MISMATCH = 17


def verify(backup: Backup, actor: Actor) -> Backup:
    """Have the host read a backup whole, and note the time; raise BackupDamaged (noted too: it counts as verified no
    more), NoLeader, or that the host can't be asked. Call it in no transaction."""
    fault = _fault(backup)
    with transaction.atomic():
        backup.verified_time = None if fault else timezone.now()
        Backup.objects.filter(pk=backup.pk).update(verified_time=backup.verified_time)
        if fault:
            name, host = backup.package_name, backup.host.host_ip
            emit(
                "backup.damaged",
                backup.item.run_id if backup.item else backup.host.cluster_id,
                f"{host}: the backup {name} is not what was written: {fault.english}",
                f"{host}：备份 {name} 与写入时不一致：{fault.chinese}",
                severity="error",
                cluster_uuid=backup.host.cluster_id,
                host_ip=host,
                package_name=name,
            )
        result = "damaged" if fault else "success"
        record(actor, "backup.verify", f"backup {backup.host.host_ip} {backup.package_name}", result=result)
    if fault:
        raise BackupDamaged(
            "package_name",
            name=backup.package_name,
            host=backup.host.host_ip,
            reason=fault.english,
            reason_cn=fault.chinese,
        )
    return backup


def _fault(backup: Backup) -> Fault | None:
    """Ask the host; return how its file differs from what was written."""
    try:
        found = ask(backup.host, "check_backup", backup.package_name).values()
    except StepFailed as error:
        if error.params["code"] == _DIGEST_MISMATCH:
            return Fault("it is there no more", "文件已不存在")
        raise
    if (found["sha256"], found["md5"], found["size"]) != (backup.sha256, backup.md5, str(backup.size)):
        return Fault("its digest or its size differs", "摘要或大小不一致")
    if found["readable"] != "yes":
        return Fault("the archive can't be read", "归档无法读取")
    return None


@transaction.atomic
def give_up(cluster: Cluster, host_ip: str, name: str, actor: Actor) -> Backup:
    """Decide that a backup goes: it is shown and used no more; `finish` removes it. Raises HostNotFound or
    BackupNotFound (404), BackupInUse or BackupIsWayBack (409)."""
    found = find(cluster.pk, host_ip, name)
    # Locked to the commit: restores and rollbacks take their backup under the same lock.
    backup = kept().select_for_update(of=("self",)).select_related("host").filter(pk=found.pk).first()
    if backup is None:
        raise BackupNotFound("package_name", name=name[:64])
    run = used_by(backup)
    if run is not None:
        raise BackupInUse("package_name", name=name[:64], run=run)
    if is_way_back(backup):
        raise BackupIsWayBack("package_name", name=name[:64], host=host_ip)
    backup.remove_time = timezone.now()
    backup.save(update_fields=["remove_time"])
    record(actor, "backup.remove", f"backup {host_ip} {name}")
    return backup


def finish(backup: Backup) -> bool:
    """Remove the file of a backup that was given up, then its row. False when its host can't be asked now: the
    leader's job tries again. Safe to repeat; call it in no transaction."""
    try:
        ask(backup.host, "remove_backup", backup.package_name)
    except SysmgrError:
        return False
    Backup.objects.filter(pk=backup.pk, remove_time__isnull=False).delete()
    return True
