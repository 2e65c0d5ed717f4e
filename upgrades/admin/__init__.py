"""The admin door of upgrades: packages and their trust, runs and their steps, held hosts, backups."""

from . import backups, hosts, packages, runs

__all__ = ["backups", "hosts", "packages", "runs"]
