"""Errors of resumable uploads (4060 to 4069); some statuses are those of the tus protocol."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class UploadNotFound(SysmgrError):
    scode = 4060
    status = 404
    message = "There is no such upload; it was ended, has expired, or is somebody else's."
    message_cn = "上传不存在：已被终止、已过期，或属于其他用户。"
    next_step = "Begin a new one with POST /v1/system/upgrade_package/tus."
    next_step_cn = "请通过 POST /v1/system/upgrade_package/tus 重新开始。"


class UploadBusy(SysmgrError):
    scode = 4061
    status = 423
    message = "Another request is working on this upload at the moment."
    message_cn = "另一个请求正在处理该上传。"
    next_step = "Ask for the offset with HEAD in a moment, and go on from there."
    next_step_cn = "请稍后用 HEAD 查询偏移量，再继续上传。"


class UploadOffsetWrong(SysmgrError):
    scode = 4062
    status = 409
    message = "The upload goes on at byte {offset}, not at {sent}."
    message_cn = "上传应从第 {offset} 字节继续，而非 {sent}。"
    next_step = "Ask for the offset with HEAD and go on from there."
    next_step_cn = "请用 HEAD 查询偏移量，再从该处继续。"


class UploadChecksumWrong(SysmgrError):
    scode = 4063
    status = 460
    message = "What arrived does not have the checksum that was sent with it; it was dropped."
    message_cn = "收到的数据与随附的校验和不符，已丢弃。"
    next_step = "Send the same part again."
    next_step_cn = "请重新发送该部分。"


class TusVersionWrong(SysmgrError):
    scode = 4064
    status = 412
    message = "This call needs the header `Tus-Resumable: 1.0.0`."
    message_cn = "此调用需要请求头 `Tus-Resumable: 1.0.0`。"
    next_step = "Use a client of tus 1.0.0, or upgrade_package/upload for one request with a form."
    next_step_cn = "请使用 tus 1.0.0 客户端，或通过 upgrade_package/upload 以表单一次性上传。"


class TooManyUploads(SysmgrError):
    scode = 4065
    status = 429
    message = "You have {count} open uploads, and no more are allowed."
    message_cn = "您已有 {count} 个未完成的上传，不能再新建。"
    next_step = "Finish one, or end one with DELETE; upgrade_package/upload/list shows them."
    next_step_cn = "请先完成或用 DELETE 终止其中一个；可通过 upgrade_package/upload/list 查看。"


class UploadOver(SysmgrError):
    scode = 4066
    status = 409
    message = "The upload is complete ({state}) and takes nothing more."
    message_cn = "上传已完成（{state}），不再接收数据。"
    next_step = "upgrade_package/upload/list says what became of it."
    next_step_cn = "可通过 upgrade_package/upload/list 查看结果。"


class UploadLost(SysmgrError):
    scode = 4067
    status = 410
    message = "The uploaded file is gone from the data directory."
    message_cn = "已上传的文件在数据目录中丢失。"
    next_step = "Upload it again."
    next_step_cn = "请重新上传。"
