"""Errors of settings (3xxx; mail has 3020 and up)."""

from __future__ import annotations

from collections.abc import Iterable

from sysmgr.errors import BadRequest, InvalidInput, Problem, SysmgrError


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


class WouldLockOut(SysmgrError):
    """What the change would do to its author, problem by problem."""

    scode = 3050
    status = 409
    message = "This change would shut you out: {problems}."
    message_cn = "此更改会将您拒之门外：{problems_cn}。"
    next_step = "To go on all the same send it with `confirm_lockout: true`, best with `confirm_within_seconds` too."
    next_step_cn = "如仍要继续，请加上 `confirm_lockout: true` 重新发送，最好同时使用 `confirm_within_seconds`。"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        told = InvalidInput(self.problems)
        super().__init__(told.field, **told.params)


class NobodyCouldEnter(WouldLockOut):
    """What no confirmation can wave through."""

    scode = 3051
    message = "This change can't be made, it would shut out more than you: {problems}."
    message_cn = "无法进行此更改，被拒之门外的将不止您一人：{problems_cn}。"
    next_step = "First set right what is named; `confirm_lockout` does not help here."
    next_step_cn = "请先解决所列问题；`confirm_lockout` 对此无效。"


class SettingPending(SysmgrError):
    scode = 3052
    status = 409
    message = "Revision {revision} of these settings waits for its confirmation until {deadline} (epoch {epoch})."
    message_cn = "这些设置的修订 {revision} 正等待确认，截止时间为 {deadline}（时间戳 {epoch}）。"
    next_step = "Confirm it with setting/confirm, or wait: it is taken back by itself. Then change them."
    next_step_cn = "请先用 setting/confirm 确认，或等待其自动撤回，然后再修改。"


class NothingPending(SysmgrError):
    scode = 3053
    status = 404
    message = "No change of these settings waits for a confirmation."
    message_cn = "没有等待确认的设置更改。"
    next_step = "setting/revision/list shows what was changed."
    next_step_cn = "可通过 setting/revision/list 查看更改记录。"


class ConfirmedTooLate(SysmgrError):
    scode = 3054
    status = 409
    message = "The change of revision {revision} was taken back: nobody confirmed it in time."
    message_cn = "修订 {revision} 的更改未按时确认，已被撤回。"
    next_step = "Make the change again, with more time to confirm it."
    next_step_cn = "请重新修改，并留出更长的确认时间。"


class RevisionNotFound(SysmgrError):
    scode = 3055
    status = 404
    message = "The cluster's settings have no revision {revision}."
    message_cn = "该集群的设置没有修订 {revision}。"
    next_step = "setting/revision/list shows those that there are."
    next_step_cn = "可通过 setting/revision/list 查看现有修订。"


class FileUnreadable(BadRequest):
    message = "The file of settings can't be read: {reason}."
    message_cn = "无法读取设置文件：{reason_cn}。"
    next_step = "settings_export writes one as it must be."
    next_step_cn = "可用 settings_export 导出格式正确的文件。"
