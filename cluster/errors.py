"""Errors of clusters and hosts (2xxx)."""

from __future__ import annotations

from sysmgr.errors import BadRequest, SysmgrError


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


class ClusterNameTaken(SysmgrError):
    scode = 2003
    status = 409
    message = "There is a cluster with this name already."
    message_cn = "已存在同名集群。"
    next_step = "Choose another name."
    next_step_cn = "请使用其他名称。"


class ClusterIsDefault(SysmgrError):
    scode = 2004
    status = 409
    message = "This is the default cluster, whose rules the doors obey, and there are others."
    message_cn = "这是默认集群（登录与访问遵循其规则），且仍存在其他集群。"
    next_step = "Make another one the default first (/v1/system/cluster/update)."
    next_step_cn = "请先将其他集群设为默认集群（/v1/system/cluster/update）。"


class ClusterHasHosts(SysmgrError):
    scode = 2005
    status = 409
    message = "The cluster still has {count} hosts: {hosts}."
    message_cn = "集群中仍有 {count} 台主机：{hosts}。"
    next_step = "Remove them first (/v1/system/host/remove)."
    next_step_cn = "请先移除这些主机（/v1/system/host/remove）。"


class ClusterHasRuns(SysmgrError):
    scode = 2006
    status = 409
    message = "Upgrades of the cluster are not over: {runs}."
    message_cn = "集群中仍有未结束的升级任务：{runs}。"
    next_step = "Wait for their end, or cancel them."
    next_step_cn = "请等待其结束，或取消这些任务。"


class HostExists(SysmgrError):
    scode = 2007
    status = 409
    message = "The cluster has a host {host} already."
    message_cn = "集群中已有主机 {host}。"
    next_step = "Change it with /v1/system/host/update, or remove it first."
    next_step_cn = "请使用 /v1/system/host/update 修改，或先移除该主机。"


class HostIsHeld(SysmgrError):
    scode = 2008
    status = 409
    message = "The upgrade {run} holds the host {host}."
    message_cn = "主机 {host} 正被升级任务 {run} 占用。"
    next_step = "Wait for its end, or cancel it."
    next_step_cn = "请等待其结束，或取消该任务。"


class HostRootTaken(SysmgrError):
    scode = 2009
    status = 409
    message = "The folder {root} is, holds or lies in that of another host: {host} of cluster {cluster}."
    message_cn = "目录 {root} 与其他主机的目录相同或相互包含：集群 {cluster} 的主机 {host}。"
    next_step = "Give each host a folder of its own."
    next_step_cn = "请为每台主机使用独立的目录。"


class HostsRefused(BadRequest):
    message = "{count} of {rows} rows are refused, so nothing was stored: {problems}."
    message_cn = "{rows} 行中有 {count} 行被拒绝，未保存任何内容：{problems_cn}。"
    next_step = "Correct them; `dry_run` tells what each row would do, `partial` stores the others."
    next_step_cn = "请更正这些行；`dry_run` 可查看每一行的结果，`partial` 可保存其余各行。"


class HostRootRefused(BadRequest):
    message = "The folder can't be a host's: {reason}."
    message_cn = "该目录不能用作主机目录：{reason_cn}。"
    next_step = "Name an existing folder below the data directory or one of SYSMGR_LOCAL_ROOTS."
    next_step_cn = "请指定位于数据目录或 SYSMGR_LOCAL_ROOTS 之下的已有目录。"
