"""What can go wrong with keys for programs."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class TooManyKeys(SysmgrError):
    scode = 1087
    status = 409
    message = "There are {most} keys of this user already."
    message_cn = "该用户已有 {most} 个密钥。"
    next_step = "Remove one that is not used any more."
    next_step_cn = "请移除不再使用的密钥。"


class KeyNotFound(SysmgrError):
    scode = 1088
    status = 404
    message = "There is no such key."
    message_cn = "密钥不存在。"
    next_step = "List the keys and name one of them."
    next_step_cn = "请列出密钥并指定其中之一。"
