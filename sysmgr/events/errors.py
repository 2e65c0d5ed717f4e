"""Errors of events and alerts (1030 to 1039)."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class AlertNotFound(SysmgrError):
    scode = 1030
    status = 404
    message = "There is no such alert."
    message_cn = "告警不存在。"
    next_step = "alert/list shows them; closed ones are removed after some time."
    next_step_cn = "可通过 alert/list 查看；已关闭的告警会在一段时间后删除。"
