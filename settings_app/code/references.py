"""Secrets in a file of settings: never in clear, each a reference to a variable of the environment."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from settings_app.sections import SNMP_SECRETS
from sysmgr.api.strict_json import printable
from sysmgr.crypto import MASK
from sysmgr.errors import InvalidInput, Problem

KEY = "from_environment"
PREFIX = "SYSMGR_SECRET_"
# Only such variables: a file must not have another secret of the server sent to a host that it names.
_VARIABLE = re.compile(PREFIX + r"[A-Z0-9_]{1,200}")
_MAIL = "mail_setting.smtp_password"


@dataclass
class Resolved:
    """A document with its secrets in clear. `missing` holds {path: variable} of those whose variable is not set;
    these, and those for which the file says the mask itself, stand as the mask, which keeps what is stored."""

    document: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)


def places(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield (what it lies in, key, path) of each secret that a document has, whatever else is wrong with it."""
    mail, snmp = document.get("mail_setting"), document.get("snmp_settings")
    if isinstance(mail, dict) and "smtp_password" in mail:
        yield mail, "smtp_password", _MAIL
    targets = snmp.get("snmps") if isinstance(snmp, dict) else None
    for place, target in enumerate(targets if isinstance(targets, list) else []):
        for key in SNMP_SECRETS:
            if isinstance(target, dict) and key in target:
                yield target, key, f"snmp_settings.snmps[{place}].{key}"


def referring(document: dict[str, Any]) -> dict[str, Any]:
    """Put a reference in the place of each stored secret of a masked document."""
    found = list(places(document))
    words = _words(inside["name"] for inside, key, _path in found if key == SNMP_SECRETS[0])
    for inside, key, path in found:
        if inside[key]:
            middle = "" if path == _MAIL else f"SNMP_{words[inside['name']]}_"
            inside[key] = {KEY: f"{PREFIX}{middle}{key.upper()}"}
    return document


def _words(names: Iterable[str]) -> dict[str, str]:
    """Return what stands for each target in a variable: its name, with a digest where that alone is not telling."""
    plain = {name: re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")[:64] for name in names}
    often = Counter(plain.values())
    return {name: word if word and often[word] == 1 else _told_apart(word, name) for name, word in plain.items()}


def _told_apart(word: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:8].upper()
    return f"{word}_{digest}".strip("_")


def resolve(document: dict[str, Any], environment: Mapping[str, str]) -> Resolved:
    """Put the environment's secrets in the places of their references, in `document` itself.

    Raises InvalidInput where one stands in clear, or a reference is none.
    """
    resolved, problems = Resolved(document), []
    for inside, key, path in places(document):
        value = inside[key]
        if value in ("", MASK):
            continue
        variable = _variable(value)
        if variable is None:
            problems.append(_wrong(path, value))
            continue
        inside[key] = environment.get(variable) or MASK
        if not environment.get(variable):
            resolved.missing[path] = variable
    if problems:
        raise InvalidInput(problems)
    return resolved


def _variable(value: Any) -> str | None:
    name = value.get(KEY) if isinstance(value, dict) and len(value) == 1 else None
    return name if isinstance(name, str) and _VARIABLE.fullmatch(name) else None


def _wrong(path: str, value: Any) -> Problem:
    if isinstance(value, dict):
        name = printable(str(value.get(KEY, "")))
        english = f"must be {{{KEY}: {PREFIX}…}}, in capitals, digits and _" + (f", not {name}" if name else "")
        return Problem(path, english, f"必须是 {{{KEY}: {PREFIX}…}}，仅含大写字母、数字和下划线")
    english = f'is a secret: write {{{KEY}: {PREFIX}…}}, "" for none, or "{MASK}" to keep the stored one'
    return Problem(path, english, f'为机密值：请写 {{{KEY}: {PREFIX}…}}，无则写 ""，保留已存值则写 "{MASK}"')


def refuse_missing(resolved: Resolved) -> None:
    """Raise InvalidInput, naming path and variable, where a secret's variable is not set."""
    if resolved.missing:
        raise InvalidInput(
            Problem(
                path, f"needs the variable {name}, which is not set or empty", f"需要环境变量 {name}，但未设置或为空"
            )
            for path, name in resolved.missing.items()
        )
