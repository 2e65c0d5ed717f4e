"""Why a log-in is not looked at: too many wrong ones before, or too many at once."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class LoginLocked(SysmgrError):
    """Says nothing about the password: a lock never tells which one was right."""

    scode = 1065
    status = 429
    message = "Log-in is locked after too many failures from this address."
    message_cn = "来自该地址的登录失败次数过多，登录已锁定。"
    next_step = "Wait for the seconds in Retry-After, or ask an administrator to unlock the user."
    next_step_cn = "请等待 Retry-After 所示秒数，或请管理员解除锁定。"


class HashQueueFull(SysmgrError):
    scode = 1066
    status = 429
    message = "Too many log-ins are waiting at the moment."
    message_cn = "当前等待登录的请求过多。"
    next_step = "Try again in a moment."
    next_step_cn = "请稍后重试。"


class SessionNotFound(SysmgrError):
    scode = 1067
    status = 404
    message = "There is no such session, or it has ended."
    message_cn = "会话不存在或已结束。"
    next_step = "List the sessions and name one of them."
    next_step_cn = "请列出会话并指定其中之一。"
