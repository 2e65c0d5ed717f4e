"""What tests of settings as code share: a target, texts that YAML takes for something else, a command's answer."""

from __future__ import annotations

from io import StringIO
from typing import Any

from django.core.management import call_command

TRICKY = (
    "no",
    "Yes",
    "08:00",
    "10:30",
    "1e3",
    "0x1F",
    "012",
    "~",
    "null",
    "- a",
    "a: b",
    "a #b",
    " x ",
    "*",
    "&a",
    "!t",
)


def run(*words: str) -> tuple[int, str]:
    """Return exit code and output of a command."""
    out = StringIO()
    try:
        call_command(*words, stdout=out)
    except SystemExit as done:
        return int(done.code or 0), out.getvalue()
    return 0, out.getvalue()


def target(name: str = "noc", **changed: Any) -> dict[str, Any]:
    """Return an SNMP target."""
    whole = {"name": name, "enabled": True, "version": "v2c", "host": "192.0.2.1", "port": 162}
    whole |= {"community": "very secret", "user": "", "auth_protocol": "", "auth_password": ""}
    return {**whole, "priv_protocol": "", "priv_password": "", **changed}
