"""Why a second factor is asked for, refused, or stays as it is."""

from __future__ import annotations

from sysmgr.errors import BadRequest, SysmgrError


class OtpRequired(SysmgrError):
    """Said only to whoever knows the password."""

    scode = 1083
    status = 401
    message = "The password is right; a one-time code is needed too."
    message_cn = "密码正确，还需要一次性验证码。"
    next_step = "Log in again with `otp`: the code that your authenticator shows, or a recovery code."
    next_step_cn = "请在 `otp` 中提供验证器显示的验证码或恢复码，然后重新登录。"


class SecondFactorMissing(SysmgrError):
    """Said only to whoever knows the password."""

    scode = 1084
    status = 401
    message = "A second factor is asked for and you have none."
    message_cn = "系统要求第二因素，而您尚未登记。"
    next_step = "Ask an administrator for a one-time link: its page lets you enrol an authenticator."
    next_step_cn = "请向管理员索取一次性链接，在其页面上登记验证器。"


class FactorConfirmed(SysmgrError):
    scode = 1085
    status = 409
    message = "You have a second factor already."
    message_cn = "您已有第二因素。"
    next_step = "Remove it with one of its codes, or a recovery code, before you enrol another."
    next_step_cn = "请先用验证码或恢复码移除它，再登记新的。"


class NoSecondFactor(SysmgrError):
    scode = 1086
    status = 409
    message = "There is no second factor for this."
    message_cn = "没有可操作的第二因素。"
    next_step = "Begin with otp/enroll, then otp/confirm; only a confirmed one can be removed."
    next_step_cn = "请先调用 otp/enroll，再调用 otp/confirm；只有已确认的第二因素才能移除。"


class LastWhoPasses(SysmgrError):
    scode = 1095
    status = 409
    message = "{name} is the last administrator who can pass the second factor that the settings ask for."
    message_cn = "{name} 是最后一位能通过设置所要求的第二因素的管理员。"
    next_step = "Switch multi_authentication_setting off first, or have another administrator enrol and confirm one."
    next_step_cn = "请先关闭 multi_authentication_setting，或让另一位管理员登记并确认第二因素。"


class OtpRefused(BadRequest):
    """A wrong code of somebody who is logged in already; it counts as a wrong log-in."""

    message = "The code is wrong or was used before."
    message_cn = "验证码错误或已使用过。"
    next_step = "Wait for the next code of your authenticator, and check its clock; wrong codes lock the log-in."
    next_step_cn = "请等待验证器显示下一个验证码，并检查其时钟；多次错误会锁定登录。"


class OwnFactor(BadRequest):
    message = "Your own second factor goes by one of its codes only."
    message_cn = "您自己的第二因素只能凭其验证码移除。"
    next_step = "Use otp/remove, or the page of your own second factor."
    next_step_cn = "请使用 otp/remove 或“我的第二因素”页面。"
