"""Alerts about single hosts: key, owner, silence and drift; each stands until its cause is gone or was seen."""

from __future__ import annotations

from cluster.models import Host
from sysmgr.events.alerts import Trouble
from sysmgr.events.models import Event

PREFIX = "host."
KEY, FOREIGN, SILENT, DRIFT = "host.key_changed:", "host.foreign_cluster:", "host.unreachable:", "host.drift:"
TAKEN_OVER = "host.taken_over:"


def key_changed(host: Host, reason: str) -> Trouble:
    """Another key than the pinned one."""
    return Trouble(
        f"{host} shows another key than the pinned one; nothing is run there. {reason}. Look at the host itself, then "
        "host/repin.",
        f"主机 {host} 出示的密钥与固定的不一致，不会在其上运行命令：{reason}。请在主机上核实后使用 host/repin。",
        Event.Severity.ERROR,
        host.cluster_id,
    )


def foreign(host: Host, owner: str) -> Trouble:
    """Another installation's fence."""
    return Trouble(
        f"{host} belongs to another installation or cluster ({owner}); it is left alone. "
        "`manage.py host_take_over` takes it.",
        f"主机 {host} 属于其他安装或集群（{owner}），不会对其操作。可用 `manage.py host_take_over` 接管。",
        Event.Severity.ERROR,
        host.cluster_id,
    )


def silent(host: Host, reason: str) -> Trouble:
    """Nothing was heard for longer than one sweep."""
    seen = f"{host.seen_time:%Y-%m-%d %H:%M:%SZ}" if host.seen_time else ""
    return Trouble(
        f"{host} does not answer ({'last ' + seen if seen else 'never did'}): {reason}",
        f"主机 {host} 无响应（{'上次响应 ' + seen if seen else '从未响应'}）：{reason}",
        cluster_uuid=host.cluster_id,
    )


def drifted(host: Host, english: str, chinese: str) -> Trouble:
    """Somebody else than sysmgr changed what runs."""
    return Trouble(
        f"{host} runs something else than sysmgr left there: {english}. The list follows the host; acknowledge "
        "this alert once you know why.",
        f"主机 {host} 运行的版本与 sysmgr 记录不一致：{chinese}。列表已按主机更新；查明原因后请确认此告警。",
        cluster_uuid=host.cluster_id,
    )
