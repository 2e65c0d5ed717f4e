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


class ImageRefused(BadRequest):
    message = "The file is no image that the log-in page may show: {reason}."
    message_cn = "该文件不是可用于登录页的图片：{reason_cn}。"
    next_step = "Send a whole PNG, JPEG or WebP file of at most 2 MiB."
    next_step_cn = "请上传完整的 PNG、JPEG 或 WebP 文件，不超过 2 MiB。"


class NoSpaceForImage(SysmgrError):
    scode = 3040
    status = 507
    message = "The image can't be kept: the disk is full or can't be written."
    message_cn = "无法保存图片：磁盘已满或不可写。"
    next_step = "Free space below the data directory and send it again."
    next_step_cn = "请清理数据目录所在磁盘后重试。"
