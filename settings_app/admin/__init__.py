"""The admin door of settings: a form per section that writes through the service, and the revisions."""

from . import access, mail, plain, revision, snmp

__all__ = ["access", "mail", "plain", "revision", "snmp"]
