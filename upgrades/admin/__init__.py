"""The admin door of upgrades: packages and their trust, runs and their steps, held hosts, backups."""

from . import backups, packages, runs

__all__ = ["backups", "packages", "runs"]
