"""The mail section: the SMTP server and the identity under which the system sends."""

from __future__ import annotations

from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext_lazy as _

from settings_app.validators import validate_server_host
from sysmgr.crypto import SecretField

from .base import Section, between, bounded


class MailSetting(Section):
    """How the system sends mail; the password is encrypted at rest."""

    enabled = models.BooleanField(_("send mail"), default=False)
    asynchronous_send_enabled = models.BooleanField(
        _("send in the background"), default=False, help_text=_("Mail waits in the outbox and is sent by the manager.")
    )
    sender_mail = models.CharField(
        _("sender's address"), max_length=255, blank=True, default="", validators=[validate_email]
    )
    sender_name = models.CharField(_("sender's name"), max_length=255, blank=True, default="")
    smtp_server_ip = models.CharField(
        _("SMTP server"),
        max_length=255,
        blank=True,
        default="",
        validators=[validate_server_host],
        help_text=_("An IP address or a host name."),
    )
    smtp_server_port = bounded(_("SMTP port"), 25, 1, 65535, _("1 to 65535."))
    smtp_tls_enabled = models.BooleanField(
        _("encrypt with TLS"),
        default=False,
        help_text=_("Port 465: TLS from the start; any other port: STARTTLS is required. Certificates are verified."),
    )
    smtp_account = models.CharField(_("SMTP account"), max_length=255, blank=True, default="")
    smtp_password = SecretField(_("SMTP password"), blank=True, default="")

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mail")
        constraints = [between("smtp_server_port", 1, 65535)]
