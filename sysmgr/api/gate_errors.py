"""Why the gate lets somebody not in, beside what every door knows."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class AccessRefused(SysmgrError):
    """Access control; the reason is in the log and in the audit, the stranger gets none."""

    scode = 1060
    status = 403
    message = "Access is refused."
    message_cn = "拒绝访问。"
    next_step = "Ask an administrator."
    next_step_cn = "请联系管理员。"


class PasswordMustChange(SysmgrError):
    scode = 1061
    status = 403
    message = "Your password must be changed before anything else."
    message_cn = "必须先修改密码，才能执行其他操作。"
    next_step = "Call POST /v1/authentication/password/change with the old and a new one; this token goes on then."
    next_step_cn = "请使用旧密码和新密码调用 POST /v1/authentication/password/change；之后此令牌可继续使用。"


class KeySourceRefused(SysmgrError):
    scode = 1062
    status = 403
    message = "This key may not be used from this address."
    message_cn = "此密钥不允许从该地址使用。"
    next_step = "Use it from one of its source ranges, or make a key for this address."
    next_step_cn = "请在该密钥允许的地址范围内使用，或为此地址创建新的密钥。"
