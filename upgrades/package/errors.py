"""The typed errors of the package format, with both languages and the next step.

What is wrong with a package that somebody handed in is a 400 (all carry 10001, the class name
tells them apart); what is wrong with this machine's files has a code of its own, 4001 to 4029.
"""

from __future__ import annotations

from typing import NamedTuple

from sysmgr.errors import BadRequest, SysmgrError

SHOWN_CHARACTERS = 64


class Reason(NamedTuple):
    """Why something was refused, in both languages, without a full stop."""

    english: str
    chinese: str


def shown(name: str) -> str:
    """Return a name that came from outside as safe text: printable ASCII, at most 64 characters."""
    escaped = name.encode("ascii", "backslashreplace").decode("ascii")
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)
    return safe if len(safe) <= SHOWN_CHARACTERS else safe[: SHOWN_CHARACTERS - 3] + "..."


# --- 10001: the package, or what it shall be built from, is wrong ------------------------------


class PackageNotSigned(BadRequest):
    message = "The package is not signed by a trusted key."
    message_cn = "升级包未由受信任的密钥签名。"
    next_step = "Get the package from its maker again, or trust the maker's public key first."
    next_step_cn = "请重新获取升级包，或先信任其发布者的公钥。"

    def __init__(self, field: str = "") -> None:
        super().__init__(field)


class PackageDigestWrong(BadRequest):
    message = "The content of `{member}` is not what the package's manifest says (sha256 differs)."
    message_cn = "`{member}` 的内容与升级包清单不符（sha256 不一致）。"
    next_step = "The package was damaged or altered: get it again."
    next_step_cn = "升级包已损坏或被篡改，请重新获取。"

    def __init__(self, member: str, field: str = "") -> None:
        super().__init__(field, member=shown(member))


class PackageMemberRefused(BadRequest):
    message = "The package's member `{member}` is refused: {reason}."
    message_cn = "升级包成员 `{member}` 被拒绝：{reason_cn}。"
    next_step = "Get the package again, or build it with `manage.py build_package`."
    next_step_cn = "请重新获取升级包，或使用 `manage.py build_package` 重新构建。"

    def __init__(self, member: str, reason: Reason, field: str = "") -> None:
        super().__init__(field, member=shown(member), reason=reason.english, reason_cn=reason.chinese)


class PackageTooLarge(BadRequest):
    message = "The package is refused: more than {limit} {what}."
    message_cn = "升级包被拒绝：{what_cn}超过 {limit}。"
    next_step = "Split the package, or leave out what its services do not need."
    next_step_cn = "请拆分升级包，或去除不需要的内容。"

    def __init__(self, what: Reason, limit: int, field: str = "") -> None:
        self.limit = limit
        super().__init__(field, what=what.english, what_cn=what.chinese, limit=limit)


class PackageManifestInvalid(BadRequest):
    message = "The package's manifest is not valid at `{path}`: {reason}."
    message_cn = "升级包清单在 `{path}` 处无效：{reason_cn}。"
    next_step = "Correct it where the package is built, and build it again."
    next_step_cn = "请在构建处更正后重新构建升级包。"

    def __init__(self, path: str, reason: Reason, field: str = "") -> None:
        self.path = path
        super().__init__(field, path=shown(path), reason=reason.english, reason_cn=reason.chinese)


class PackageUnreadable(BadRequest):
    message = "The file cannot be read as a package: {reason}."
    message_cn = "无法将该文件读取为升级包：{reason_cn}。"
    next_step = "Send the whole, unchanged file that `manage.py build_package` wrote."
    next_step_cn = "请发送由 `manage.py build_package` 生成的完整且未改动的文件。"

    def __init__(self, reason: Reason, field: str = "") -> None:
        super().__init__(field, reason=reason.english, reason_cn=reason.chinese)


class PackageServiceMissing(BadRequest):
    message = "The package has nothing for the service `{service}`."
    message_cn = "升级包不包含服务 `{service}`。"
    next_step = "Choose one of: {services}."
    next_step_cn = "请选择：{services}。"

    def __init__(self, service: str, services: list[str], field: str = "") -> None:
        super().__init__(field, service=shown(service), services=", ".join(services))


class PackageSourceRefused(BadRequest):
    message = "A package cannot be built from this source: `{path}` {reason}."
    message_cn = "无法从该来源构建升级包：`{path}` {reason_cn}。"
    next_step = "Correct the source directory and build again."
    next_step_cn = "请更正来源目录后重新构建。"

    def __init__(self, path: str, reason: Reason, field: str = "") -> None:
        super().__init__(field, path=shown(path), reason=reason.english, reason_cn=reason.chinese)


class PublicKeyInvalid(BadRequest):
    message = "This is not an Ed25519 public key (base64 of 32 bytes)."
    message_cn = "这不是有效的 Ed25519 公钥（32 字节的 base64）。"
    next_step = "Copy the line that the key's owner published."
    next_step_cn = "请复制密钥所有者公布的公钥文本。"

    def __init__(self, field: str = "") -> None:
        super().__init__(field)


# --- 4001..4029: this machine's files ----------------------------------------------------------


class PackageFileExists(SysmgrError):
    scode = 4001
    status = 409
    message = "`{name}` already exists with another content and is never overwritten."
    message_cn = "`{name}` 已存在且内容不同，不会被覆盖。"
    next_step = "Choose another version or another directory."
    next_step_cn = "请选择其他版本或其他目录。"

    def __init__(self, name: str, field: str = "") -> None:
        super().__init__(field, name=shown(name))


class UnpackTargetExists(SysmgrError):
    scode = 4002
    status = 409
    message = "`{name}` already exists; a package is unpacked into a new directory only."
    message_cn = "`{name}` 已存在；升级包只能解包到新目录。"
    next_step = "Name a directory that does not exist yet."
    next_step_cn = "请指定一个尚不存在的目录。"

    def __init__(self, name: str, field: str = "") -> None:
        super().__init__(field, name=shown(name))


class SigningKeyExists(SysmgrError):
    scode = 4003
    status = 409
    message = "The key file `{name}` already exists and is never overwritten."
    message_cn = "密钥文件 `{name}` 已存在，不会被覆盖。"
    next_step = "Use the key that is there, or name another file."
    next_step_cn = "请使用已有密钥，或指定其他文件。"

    def __init__(self, name: str, field: str = "") -> None:
        super().__init__(field, name=shown(name))


class SigningKeyUnusable(SysmgrError):
    scode = 4004
    status = 500
    message = "The key file `{name}` cannot be used: {reason}."
    message_cn = "密钥文件 `{name}` 无法使用：{reason_cn}。"
    next_step = "Name a PEM file with an Ed25519 private key that only its owner can read (mode 0600)."
    next_step_cn = "请指定仅所有者可读（权限 0600）的 Ed25519 私钥 PEM 文件。"

    def __init__(self, name: str, reason: Reason, field: str = "") -> None:
        super().__init__(field, name=shown(name), reason=reason.english, reason_cn=reason.chinese)


class PackageNotWritten(SysmgrError):
    scode = 4005
    status = 507
    message = "The package's files could not be read or written on this machine: {reason}."
    message_cn = "无法在本机读写升级包文件：{reason}。"
    next_step = "Check the free space and the permissions of the directory."
    next_step_cn = "请检查目录的可用空间和权限。"

    def __init__(self, error: OSError, field: str = "") -> None:
        super().__init__(field, reason=error.strerror or type(error).__name__)
