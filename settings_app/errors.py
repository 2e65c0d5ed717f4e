"""Errors of settings (3xxx; mail has 3020 and up)."""

from __future__ import annotations

from sysmgr.errors import BadRequest, SysmgrError


class RevisionConflict(SysmgrError):
    scode = 3001
    status = 409
    message = "The settings changed meanwhile: they are at revision {current}, not {expected}."
    message_cn = "设置已被他人修改：当前修订为 {current}，而不是 {expected}。"
    next_step = "Read them again and repeat the change."
    next_step_cn = "请重新读取后再修改。"


class PasswordNeeded(BadRequest):
    message = "A stored password would be sent to another server or account."
    message_cn = "已保存的密码将被发送到其他服务器或账号。"
    next_step = "Send the password in clear, or an empty one."
    next_step_cn = "请同时提供明文密码或空密码。"
