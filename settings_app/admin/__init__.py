"""The admin door of settings: a form per section that writes through the service, the revisions, the outbox."""

from . import access, mail, outbox, pending, plain, revision, snmp

__all__ = ["access", "mail", "outbox", "pending", "plain", "revision", "snmp"]
