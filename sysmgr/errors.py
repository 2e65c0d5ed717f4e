"""The one hierarchy of typed errors: raised behind the doors, rendered by each door in its own way.

An app declares its errors in its own `errors.py` as subclasses; the class body is the catalogue
entry (`scode`, status, both languages, next step), so a code stands in the source exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.functional import lazystr
from django.utils.translation import get_language

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class _Bilingual:
    """A text that renders itself in the language that is active when it is read."""

    def __init__(self, english: str, chinese: str) -> None:
        self.english = english
        self.chinese = chinese

    def __str__(self) -> str:
        return self.chinese if (get_language() or "").startswith("zh") else self.english


def bilingual(english: str, chinese: str) -> _StrPromise:
    """Return a lazy text for places that take one string (field messages, validators)."""
    return lazystr(_Bilingual(english, chinese))


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field, as the client spelled its path (`list[0].host_ip`)."""

    path: str
    message: str
    message_cn: str


class SysmgrError(Exception):
    """Base of every expected failure.

    `field` is the path of the value at fault (empty when none is); keyword parameters fill the
    `{placeholders}` of the texts. `retry_after` is in whole seconds.
    """

    scode: ClassVar[int] = 10000
    status: ClassVar[int] = 500
    message: ClassVar[str] = "The request failed unexpectedly."
    message_cn: ClassVar[str] = "请求意外失败。"
    next_step: ClassVar[str] = "Try again; if it persists, look into the server's log."
    next_step_cn: ClassVar[str] = "请重试；若仍失败，请查看服务器日志。"

    def __init__(self, field: str = "", *, retry_after: int | None = None, **params: Any) -> None:
        self.field = field
        self.retry_after = retry_after
        self.params = params
        super().__init__(self.text)

    @classmethod
    def name(cls) -> str:
        """Return the catalogue's name, which tells errors of one `scode` apart."""
        return cls.__name__

    @property
    def text(self) -> str:
        """The cause and the next step in English."""
        return f"{self.message.format(**self.params)} {self.next_step.format(**self.params)}".strip()

    @property
    def text_cn(self) -> str:
        """The cause and the next step in Chinese."""
        return f"{self.message_cn.format(**self.params)}{self.next_step_cn.format(**self.params)}"


def catalogue() -> list[type[SysmgrError]]:
    """Return every declared error, by code and name; abstract bases (no own `scode`) are left out."""

    def walk(cls: type[SysmgrError]) -> Iterator[type[SysmgrError]]:
        for child in cls.__subclasses__():
            yield child
            yield from walk(child)

    declared = {cls for cls in walk(SysmgrError) if "message" in vars(cls)}
    return sorted({SysmgrError, *declared}, key=lambda cls: (cls.scode, cls.name()))


# --- 10001: every 400 -------------------------------------------------------------------------


class BadRequest(SysmgrError):
    """Base of every 400: the contract gives all of them one code."""

    scode = 10001
    status = 400


class InvalidInput(BadRequest):
    """One or more values are wrong; nothing was changed."""

    message = "The input is not valid: {problems}."
    message_cn = "输入无效：{problems_cn}。"
    next_step = "Correct the named fields and send the request again."
    next_step_cn = "请更正所列字段后重新发送。"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(
            "; ".join(dict.fromkeys(p.path for p in self.problems)),
            problems="; ".join(_said(p.path, p.message) for p in self.problems),
            problems_cn="；".join(_said(p.path, p.message_cn) for p in self.problems),
        )


def _said(path: str, message: str) -> str:
    message = message.rstrip(".。")
    return f"{path}: {message}" if path else message


class MalformedBody(BadRequest):
    message = "The body cannot be read: {reason}."
    message_cn = "无法解析请求体：{reason_cn}。"
    next_step = "Send one JSON object as the documentation shows."
    next_step_cn = "请按文档发送一个 JSON 对象。"


class HostNotAllowed(BadRequest):
    message = "The host name that the request asks for is not one of this server's."
    message_cn = "请求中的主机名不属于本服务器。"
    next_step = "Use the address that the server printed, or set SYSMGR_PUBLIC_URL to the one that clients use."
    next_step_cn = "请使用服务器启动时显示的地址，或将 SYSMGR_PUBLIC_URL 设为客户端使用的地址。"


class AmbiguousCluster(BadRequest):
    message = "The query and the body name different clusters."
    message_cn = "查询参数与请求体中的集群不一致。"
    next_step = "Name the cluster once."
    next_step_cn = "请只指定一次集群。"


# --- 1xxx: request and log-in -----------------------------------------------------------------


class NotAuthenticated(SysmgrError):
    scode = 1001
    status = 401
    message = "This call needs a valid token."
    message_cn = "此调用需要有效的令牌。"
    next_step = "Log in with POST /v1/authentication/login and send `Authorization: Bearer <token>`."
    next_step_cn = "请先登录，并在请求头中携带 `Authorization: Bearer <token>`。"


class TokenExpired(SysmgrError):
    scode = 1002
    status = 401
    message = "The token has expired or was ended."
    message_cn = "令牌已过期或已失效。"
    next_step = "Log in again."
    next_step_cn = "请重新登录。"


class LoginRefused(SysmgrError):
    scode = 1003
    status = 401
    message = "The user name or the password is wrong."
    message_cn = "用户名或密码错误。"
    next_step = "Check both and try again."
    next_step_cn = "请核对后重试。"


class PermissionDenied(SysmgrError):
    scode = 1004
    status = 403
    message = "Your role does not allow this call."
    message_cn = "您的角色无权执行此操作。"
    next_step = "Ask an administrator."
    next_step_cn = "请联系管理员。"


class NotFound(SysmgrError):
    scode = 1005
    status = 404
    message = "There is nothing at this address."
    message_cn = "该地址不存在。"
    next_step = "Check the path; it has no trailing slash."
    next_step_cn = "请检查路径（末尾没有斜杠）。"


class MethodNotAllowed(SysmgrError):
    scode = 1006
    status = 405
    message = "This path does not take this method."
    message_cn = "该路径不支持此方法。"
    next_step = "Use one of the methods named in the Allow header."
    next_step_cn = "请使用 Allow 响应头列出的方法。"


class BodyTooLarge(SysmgrError):
    scode = 1007
    status = 413
    message = "The body is larger than {limit} bytes."
    message_cn = "请求体超过 {limit} 字节。"
    next_step = "Send less in one request."
    next_step_cn = "请减少单次请求的数据量。"


class UnsupportedMediaType(SysmgrError):
    scode = 1008
    status = 415
    message = "The body's content type or encoding is not accepted here."
    message_cn = "不支持该请求体的类型或编码。"
    next_step = "Send `Content-Type: {expected}` and no Content-Encoding."
    next_step_cn = "请使用 `Content-Type: {expected}`，且不要设置 Content-Encoding。"


class TooManyBodies(SysmgrError):
    scode = 1009
    status = 503
    message = "Too many request bodies are being received at the moment."
    message_cn = "当前正在接收的请求体过多。"
    next_step = "Try again in a moment."
    next_step_cn = "请稍后重试。"


class IdempotencyConflict(SysmgrError):
    scode = 1010
    status = 409
    message = "This Idempotency-Key was already used with another body."
    message_cn = "该 Idempotency-Key 已用于不同的请求体。"
    next_step = "Take a new key for a new request."
    next_step_cn = "请为新请求使用新的键。"


class IdempotencyUnderWay(SysmgrError):
    scode = 1011
    status = 409
    message = "The first request with this Idempotency-Key is still under way."
    message_cn = "使用该 Idempotency-Key 的首个请求仍在处理中。"
    next_step = "Wait for it, then send the same request to get its answer."
    next_step_cn = "请等待其完成后，再发送相同请求以获取结果。"


class SecretsUnreadable(SysmgrError):
    scode = 1050
    status = 409
    message = "{count} stored secrets can't be read with the keys that are here: {places}."
    message_cn = "有 {count} 个已存密文无法用现有密钥解密：{places}。"
    next_step = "Put the missing key into <data dir>/keys/field-keys, or set these secrets anew; nothing was changed."
    next_step_cn = "请将缺失的密钥放回 <data dir>/keys/field-keys，或重新设置这些密文；未做任何更改。"


class KeysChangedJustNow(SysmgrError):
    scode = 1051
    status = 409
    message = "The keys changed just now, and a replica may still write with the old ones."
    message_cn = "密钥刚刚更换，其他副本可能仍在使用旧密钥写入。"
    next_step = "Retire the old ones in {seconds} s; nothing was changed."
    next_step_cn = "请在 {seconds} 秒后再停用旧密钥；未做任何更改。"


class RotationUnderWay(SysmgrError):
    scode = 1052
    status = 409
    message = "Another rotation of the secret key is under way."
    message_cn = "另一个密钥轮换正在进行。"
    next_step = "Wait for it to end, then run this one again; it is safe to repeat."
    next_step_cn = "请等待其结束后再次执行；可安全重复。"


class UserExists(SysmgrError):
    scode = 1053
    status = 409
    message = "There is a user with the name {name} already."
    message_cn = "用户名 {name} 已存在。"
    next_step = "Take another name, or change that user."
    next_step_cn = "请使用其他用户名，或修改该用户。"


class InternalError(SysmgrError):
    message = "The request failed unexpectedly; it was written to the server's log as {request_id}."
    message_cn = "请求意外失败，已记入服务器日志，编号 {request_id}。"


class NoLeader(SysmgrError):
    scode = 11057
    status = 503
    message = "No manager leads at the moment, and this call needs one."
    message_cn = "当前没有管理节点担任主节点，无法执行此调用。"
    next_step = "Try again in some seconds; /v1/system/member/list shows the leader."
    next_step_cn = "请数秒后重试；可通过 /v1/system/member/list 查看主节点。"
