"""Errors of probing, repinning and adopting (4085 to 4093)."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class HostKeyDiffers(SysmgrError):
    scode = 4085
    status = 409
    message = "{host} does not show the key that is pinned, and nothing was run there: {reason}."
    message_cn = "主机 {host} 出示的密钥与固定的密钥不一致，未在其上运行任何命令：{reason}。"
    next_step = (
        "Find out why, on the host itself. If it is right, host/repin takes the new fingerprint; if not, somebody "
        "stands in between."
    )
    next_step_cn = "请在主机上查明原因。若属正常，请用 host/repin 提交新指纹；否则可能存在中间人。"


class FingerprintDiffers(SysmgrError):
    scode = 4086
    status = 409
    message = "{host} shows a key with the fingerprint {shown}, not {given}: nothing was pinned."
    message_cn = "主机 {host} 出示的密钥指纹为 {shown}，而非 {given}：未固定任何密钥。"
    next_step = "Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host itself."
    next_step_cn = "请在主机上用 `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` 核对。"


class HostIsForeign(SysmgrError):
    scode = 4088
    status = 409
    message = "{host} belongs to another installation or cluster: {owner}."
    message_cn = "主机 {host} 属于其他安装或集群：{owner}。"
    next_step = "Leave it alone, or take it over: `manage.py host_take_over` asks who gives it up, and is audited."
    next_step_cn = "请勿操作该主机；如需接管，请使用 `manage.py host_take_over`（会写入审计）。"


class AdoptRefused(SysmgrError):
    scode = 4089
    status = 409
    message = "{service} of {host} can't be adopted: {reason}."
    message_cn = "无法接管主机 {host} 的 {service}：{reason}。"
    next_step = "Nothing of the installation was changed. docs/hosts.md says what adopting asks for."
    next_step_cn = "原有安装未作任何更改。接管的要求见 docs/hosts.md。"
