"""Why an account is not changed, or a password not set."""

from __future__ import annotations

from sysmgr.errors import LoginRefused, SysmgrError


class UserNotFound(SysmgrError):
    scode = 1070
    status = 404
    message = "There is no such user."
    message_cn = "没有该用户。"
    next_step = "/v1/system/user/list shows who there is."
    next_step_cn = "可通过 /v1/system/user/list 查看现有用户。"


class OldPasswordWrong(LoginRefused):
    """Counts for the lock as a wrong log-in does; no 401, for the token that it came with is good."""

    scode = 1071
    status = 403
    message = "The old password is wrong."
    message_cn = "旧密码错误。"
    next_step = "Check it and try again; too many wrong ones lock."
    next_step_cn = "请核对后重试；错误次数过多将被锁定。"


class LinkRefused(SysmgrError):
    """Says the same of a link that never was, that was used and that is too old."""

    scode = 1072
    status = 404
    message = "This link is not good (any more)."
    message_cn = "此链接无效或已失效。"
    next_step = "Ask an administrator for a new one."
    next_step_cn = "请联系管理员获取新的链接。"


class LastAdministrator(SysmgrError):
    scode = 1073
    status = 409
    message = "This is the last administrator: somebody must be able to come in and manage the system."
    message_cn = "这是最后一位可登录的管理员，不能更改或移除。"
    next_step = "Make another administrator first."
    next_step_cn = "请先添加另一位管理员。"
