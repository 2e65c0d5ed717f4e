"""What commands share: errors as one line, the actor, the cluster that is meant, facts as JSON."""

from __future__ import annotations

import getpass
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from sysmgr.audit.services import Actor
from sysmgr.errors import SysmgrError


class SysmgrCommand(BaseCommand):
    """A command that renders a typed error as one line and a non-zero exit."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the line breaks of `help`: they hold examples."""
        from argparse import RawDescriptionHelpFormatter

        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        try:
            return super().execute(*args, **options)
        except SysmgrError as error:
            where = f"{error.field}: " if error.field else ""
            raise CommandError(f"{where}{error.text}") from None
        except DatabaseError as error:
            raise CommandError(f"the database can't be used: {str(error).strip().splitlines()[0]}") from None

    def say(self, facts: dict[str, Any], *, as_json: bool) -> None:
        """Print facts: one `key value` a line, or JSON."""
        if as_json:
            self.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2))
            return
        for key, value in facts.items():
            self.stdout.write(f"{key}  {value}")


def actor() -> Actor:
    """Return who runs the command: the account of the operating system."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Actor(name, "command")


def read_secret(source: str) -> str:
    """Return the text of a file, or of standard input for `-`, without the line break at its end."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CommandError(f"can't read {source}: {reason}") from None
    return text.removesuffix("\n").removesuffix("\r")


def ask_password(source: str | None) -> str:
    """Return the password of a file (`-`: standard input), or ask for it twice. It is never an argument: others could
    see that."""
    if source is not None:
        return read_secret(source)
    if not sys.stdin.isatty():
        raise CommandError("nobody can be asked here for a password; say where it comes from (see --help)")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise CommandError("the two passwords differ; nothing was changed")
    return first


def as_uuid(text: str) -> uuid.UUID:
    """Parse an option's UUID; argparse renders the ValueError."""
    return uuid.UUID(text)
