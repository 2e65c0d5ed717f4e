"""Errors of clusters and hosts (2xxx)."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class ClusterNotFound(SysmgrError):
    scode = 2001
    status = 404
    message = "There is no such cluster."
    message_cn = "集群不存在。"
    next_step = "Check cluster_uuid; left out, the default cluster is meant, if there is one."
    next_step_cn = "请检查 cluster_uuid；省略时使用默认集群（若存在）。"


class HostNotFound(SysmgrError):
    scode = 2002
    status = 404
    message = "The cluster has no such host."
    message_cn = "集群中没有该主机。"
    next_step = "Take an address from /v1/system/upgrade_package/list."
    next_step_cn = "请从 /v1/system/upgrade_package/list 中选择主机地址。"
