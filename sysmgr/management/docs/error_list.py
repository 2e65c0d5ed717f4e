"""`docs/errors.md`: every error of the catalogue, in both languages."""

from __future__ import annotations

from sysmgr.api.schema import product_errors
from sysmgr.errors import SysmgrError

_HEAD = """\
# Errors

Made by `manage.py write_docs` from the classes in the source; do not edit. Every error reaches API clients as the
standard envelope (`scode`, `desc` with the path of the value at fault, `message`, `message_cn`), admin users as a
message on the page, and users of `manage.py` as one line and a non-zero exit. Words in braces are filled in.
"""
_GROUPS = (
    ("Unexpected", 10000, 10000),
    ("Every 400", 10001, 10001),
    ("Request and log-in (1xxx)", 1000, 1999),
    ("Clusters and hosts (2xxx)", 2000, 2999),
    ("Settings, mail, events (3xxx)", 3000, 3999),
    ("Packages, upgrades, backups (4xxx)", 4000, 4999),
    ("Leader (11057)", 11057, 11057),
)


def text() -> str:
    """Return the document."""
    errors = product_errors()
    left = [error for error in errors if not any(low <= error.scode <= high for _, low, high in _GROUPS)]
    groups = [(title, [e for e in errors if low <= e.scode <= high]) for title, low, high in _GROUPS]
    parts = [_HEAD]
    for title, found in [*groups, ("Others", left)]:
        if found:
            parts.append(f"## {title}\n")
            parts += [_entry(error) for error in found]
    return "\n".join(parts)


def _entry(error: type[SysmgrError]) -> str:
    lines = [f"### {error.scode} {error.name()}", "", f"Status {error.status}.", ""]
    lines.append(f"- {_plain(error.message)} {_plain(error.next_step)}".rstrip())
    lines.append(f"- {_plain(error.message_cn)}{_plain(error.next_step_cn)}")
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    return text.replace("<", "\\<").replace("*", "\\*")
