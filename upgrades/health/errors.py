"""What a service's health does to its upgrade (4094 to 4097)."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class ServiceUnwell(SysmgrError):
    scode = 4094
    status = 409
    message = "{service} on {host} does not do its work in its new release: {reason}."
    message_cn = "主机 {host} 上的 {service} 在新版本下工作异常：{reason}。"
    next_step = "The old release was brought back. See the service's own log on the host, then call upgrade/retry."
    next_step_cn = "已恢复旧版本。请查看该主机上服务自身的日志，然后调用 upgrade/retry。"


class SoakFailed(SysmgrError):
    scode = 4095
    status = 409
    message = "{service} on {host} did not stay well while it was watched: {reason}."
    message_cn = "主机 {host} 上的 {service} 在观察期内出现异常：{reason}。"
    next_step = "The old release was brought back. See the service's own log on the host, then call upgrade/retry."
    next_step_cn = "已恢复旧版本。请查看该主机上服务自身的日志，然后调用 upgrade/retry。"


class UndrainFailed(SysmgrError):
    scode = 4096
    status = 502
    message = "{service} on {host} still gets no work: undrain failed ({reason})."
    message_cn = "主机 {host} 上的 {service} 仍未恢复接入：undrain 失败（{reason}）。"
    next_step = "Its release is as the state says; give the service its work back by hand."
    next_step_cn = "版本与状态一致；请手动恢复该服务的接入。"


class ProbeUnusable(SysmgrError):
    scode = 4097
    status = 409
    message = "The cluster's probe of {service} can't be asked: {reason}."
    message_cn = "无法执行集群对 {service} 的探测：{reason}。"
    next_step = "Mend the probe (cluster/inspect shows it, cluster/update changes it), then call upgrade/retry."
    next_step_cn = "请修复探测（可用 cluster/inspect 查看、cluster/update 修改），然后调用 upgrade/retry。"
