"""Why an SSH host was not asked (4080 to 4084): each is a HostUnreachable that a person has to end."""

from __future__ import annotations

from upgrades.transports.base import Unreachable

from .errors import HostUnreachable


class HostKeyChanged(HostUnreachable):
    scode = 4080
    message = "The host {host} is not the one that is known: {reason}. Nothing was run."
    message_cn = "主机 {host} 与已知的主机不符：{reason}。未执行任何操作。"
    next_step = "Find out why; if the host was set up anew, pin its new key with host/repin."
    next_step_cn = "请查明原因；若主机已重装，请用 host/repin 固定新密钥。"


class HostKeyMissing(HostUnreachable):
    scode = 4081
    message = "The host {host} was not asked: {reason}."
    message_cn = "未访问主机 {host}：{reason}。"
    next_step = "Look at its key with host/probe, and accept the fingerprint if it is the right one."
    next_step_cn = "请用 host/probe 查看其密钥，确认无误后接受指纹。"


class AuthenticationRefused(HostUnreachable):
    scode = 4082
    message = "The host {host} does not let the manager in: {reason}."
    message_cn = "主机 {host} 拒绝管理器登录：{reason}。"
    next_step = "Put the line that manage.py ssh_key prints into that user's authorized_keys on the host."
    next_step_cn = "请将 manage.py ssh_key 输出的一行加入主机上该用户的 authorized_keys。"


class SudoRefused(HostUnreachable):
    scode = 4083
    message = "On {host} {reason}."
    message_cn = "主机 {host} 上 sudo 被拒绝：{reason}。"
    next_step = "Let that user run sh by sudo without a password and without a terminal; see docs/hosts.md."
    next_step_cn = "请允许该用户无需密码和终端即可通过 sudo 运行 sh；见 docs/hosts.md。"


class SshKeyUnusable(HostUnreachable):
    scode = 4084
    status = 500
    message = "The host {host} was not asked: the manager's SSH key can't be used: {reason}."
    message_cn = "未访问主机 {host}：管理器的 SSH 密钥不可用：{reason}。"
    next_step = "Mend that file, or SYSMGR_SSH_KEY_FILE; see docs/hosts.md."
    next_step_cn = "请修复该文件或 SYSMGR_SSH_KEY_FILE；见 docs/hosts.md。"


_BY_KEY: dict[str, type[HostUnreachable]] = {
    "host_key_changed": HostKeyChanged,
    "host_key_missing": HostKeyMissing,
    "authentication_refused": AuthenticationRefused,
    "sudo_refused": SudoRefused,
    "ssh_key_unusable": SshKeyUnusable,
}

# The codes of an item whose host was not heard: what runs there is not known to this run.
UNHEARD = frozenset({HostUnreachable.scode, *(kind.scode for kind in _BY_KEY.values())})


def unreachable(host: str, error: Unreachable) -> HostUnreachable:
    """Return the typed error of a host that a transport did not reach; its key is that of the reasons."""
    return _BY_KEY.get(error.key, HostUnreachable)(host=host, reason=str(error), key=error.key)
