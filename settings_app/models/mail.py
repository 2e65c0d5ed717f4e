"""The mail section: the SMTP server and the identity under which the system sends."""

from __future__ import annotations

from django.core.validators import validate_email
from django.db import models

from settings_app.validators import validate_server_host
from sysmgr.crypto import SecretField

from .base import Section, between, bounded


class MailSetting(Section):
    """How the system sends mail; the password is encrypted at rest."""

    enabled = models.BooleanField(default=False)
    asynchronous_send_enabled = models.BooleanField(default=False)
    sender_mail = models.CharField(max_length=255, blank=True, default="", validators=[validate_email])
    sender_name = models.CharField(max_length=255, blank=True, default="")
    smtp_server_ip = models.CharField(max_length=255, blank=True, default="", validators=[validate_server_host])
    smtp_server_port = bounded(25, 1, 65535)
    smtp_tls_enabled = models.BooleanField(default=False)
    smtp_account = models.CharField(max_length=255, blank=True, default="")
    smtp_password = SecretField(blank=True, default="")

    class Meta:
        verbose_name = "mail"
        verbose_name_plural = "mail"
        constraints = [between("smtp_server_port", 1, 65535)]
