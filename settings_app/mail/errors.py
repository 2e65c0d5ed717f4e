"""What goes wrong while a mail is handed to the server: named by its stage."""

from __future__ import annotations

from typing import Any

from sysmgr.errors import SysmgrError

STAGES_CN = {
    "resolve": "解析主机名",
    "connect": "连接",
    "tls": "TLS 握手",
    "greeting": "问候",
    "starttls": "STARTTLS",
    "login": "登录",
    "sender": "发件人",
    "receiver": "收件人",
    "data": "发送正文",
}
_NEXT = {
    "resolve": ("Check smtp_server_ip.", "请检查 smtp_server_ip。"),
    "connect": (
        "Check smtp_server_ip and smtp_server_port, and the firewalls between.",
        "请检查 smtp_server_ip、smtp_server_port 以及防火墙。",
    ),
    "tls": (
        "Check smtp_server_ip against the server's certificate, or set SYSMGR_SMTP_CA_FILE.",
        "请核对服务器证书中的主机名，或设置 SYSMGR_SMTP_CA_FILE。",
    ),
    "greeting": ("Check that the port is an SMTP port.", "请确认该端口为 SMTP 端口。"),
    "starttls": (
        "Use port 465 for implicit TLS, or a server that offers STARTTLS with a valid certificate.",
        "请使用 465 端口（隐式 TLS），或支持 STARTTLS 且证书有效的服务器。",
    ),
    "login": ("Check smtp_account and smtp_password.", "请检查 smtp_account 与 smtp_password。"),
    "sender": ("Check sender_mail; the server must accept it.", "请检查 sender_mail 是否被服务器接受。"),
    "receiver": ("Check the receiver's address.", "请检查收件人地址。"),
    "data": ("Ask the operator of the mail server why it refused.", "请联系邮件服务器管理员。"),
}


class MailPeerFailed(SysmgrError):
    scode = 3020
    status = 502
    message = "The mail server failed at the stage {stage}: {reply}."
    message_cn = "邮件服务器在“{stage_cn}”阶段失败：{reply}。"
    next_step = "{advice}"
    next_step_cn = "{advice_cn}"


class MailPeerSilent(SysmgrError):
    scode = 3021
    status = 504
    message = "The mail server did not answer in time at the stage {stage}."
    message_cn = "邮件服务器在“{stage_cn}”阶段超时未响应。"
    next_step = "{advice}"
    next_step_cn = "{advice_cn}"


def params(stage: str, reply: str = "") -> dict[str, Any]:
    """Return what fills the texts for a stage."""
    advice, advice_cn = _NEXT[stage]
    return {
        "stage": stage,
        "stage_cn": STAGES_CN[stage],
        "reply": reply,
        "advice": advice,
        "advice_cn": advice_cn,
    }


class MailNotFound(SysmgrError):
    scode = 3030
    status = 404
    message = "There is no such mail in the cluster's outbox."
    message_cn = "该集群的发件箱中没有此邮件。"
    next_step = "mail/outbox/list shows what is there; mail that was sent is removed after some time."
    next_step_cn = "可通过 mail/outbox/list 查看；已发送的邮件会在一段时间后删除。"


class MailUnderWay(SysmgrError):
    scode = 3031
    status = 409
    message = "The mail is being sent at this moment."
    message_cn = "邮件正在发送。"
    next_step = "Look again in some seconds; mail/outbox/inspect shows what became of it."
    next_step_cn = "请数秒后通过 mail/outbox/inspect 查看结果。"


class MailAlreadySent(SysmgrError):
    scode = 3032
    status = 409
    message = "The mail was sent already."
    message_cn = "邮件已发送。"
    next_step = "Nothing is left to do."
    next_step_cn = "无需再次操作。"
